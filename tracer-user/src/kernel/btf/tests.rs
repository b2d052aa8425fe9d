use super::parse::{CONST, FWD, INT, MAGIC, VOLATILE};
use super::*;
use proptest::prelude::*;
use tracer_common::offsets::{MISSING, Offsets};

fn running() -> Btf {
    Btf::of_running_kernel().expect("the tests need a kernel with BTF")
}

#[test]
fn offsets_that_no_kernel_ever_moved_are_found() {
    let btf = running();
    for (path, offset) in [
        ("sock.__sk_common.skc_daddr", 0),
        ("sock.__sk_common.skc_rcv_saddr", 4),
        ("sock.__sk_common.skc_dport", 12),
        ("sock.__sk_common.skc_state", 18),
        ("sock.__sk_common.skc_net.net", 48),
        ("sock.__sk_common.skc_v6_daddr", 56),
        ("sk_buff.sk", 24),
        ("nf_conntrack_tuple.dst.u.tcp.port", 36),
        ("sizeof nf_conntrack_tuple_hash", 56),
    ] {
        assert_eq!(btf.offset(path), Some(offset), "{path}");
    }
}

#[test]
fn every_field_the_probes_read_is_in_the_running_kernel() {
    let btf = running();
    let offsets = Offsets::resolve(|path| btf.offset(path));
    let missing: Vec<_> = offsets.iter().filter(|&(_, offset)| offset == MISSING).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn absent_names_and_members_are_none() {
    let btf = running();
    for path in [
        "",
        "sock",
        "no_such_struct.member",
        "sock.no_such_member",
        "sock.sk_err.deeper",
        "sizeof nothing",
    ] {
        assert!(
            btf.offset(path).is_none_or(|offset| path == "sock" && offset == 0),
            "{path}"
        );
    }
    assert_eq!(btf.tracepoint_args("no_such_tracepoint"), None);
    assert_eq!(btf.enum_values("no_such_enum").count(), 0);
}

#[test]
fn enum_values_and_tracepoint_arguments_are_read() {
    let btf = running();
    assert!(
        btf.enum_values("tcp_conntrack")
            .any(|value| value == ("TCP_CONNTRACK_CLOSE", 8))
    );
    assert_eq!(btf.tracepoint_args("inet_sock_set_state"), Some(3));
    assert!(btf.has_function("tcp_v4_rcv") && !btf.has_function("tcp_v4_rcv_not"));
}

#[test]
fn truncated_bytes_are_an_error() {
    let bytes = fs::read(VMLINUX).unwrap();
    for length in [0, 1, 2, 3, 8, 23, 24, 25, 36, 1000, bytes.len() / 2] {
        assert!(Btf::parse(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
}

#[test]
fn a_function_tells_what_its_parameters_are() {
    let btf = running();
    let function = btf.function("nf_send_reset").unwrap();
    assert_eq!(function.pointer_to("sk_buff"), Some(2));
    assert_eq!(function.parameter("oldskb"), Some(2));
    assert!(function.returns_void && !function.is_ambiguous);
    let function = btf.function("tcp_v4_send_reset").unwrap();
    assert_eq!(function.pointer_to("sock"), Some(0), "a pointer to const counts");
    assert_eq!(function.enumeration("sk_rst_reason"), Some(2));
    assert_eq!(function.parameter("reason"), Some(2));
    let function = btf.function("__nf_conntrack_confirm").unwrap();
    assert_eq!((function.parameters.len(), function.returns_void), (1, false));
    assert_eq!(function.pointer_to("nf_conn"), None);
    assert_eq!(btf.function("no_such_function"), None);
}

#[test]
fn of_two_functions_or_parameters_alike_none_is_chosen() {
    let btf = two_functions();
    let function = btf.function("f").unwrap();
    assert!(function.is_ambiguous);
    let to_s = ParameterKind::Pointer("s");
    assert!(function.parameters.iter().all(|parameter| parameter.kind == to_s));
    assert_eq!((function.parameters.len(), function.pointer_to("s")), (2, None));
    assert_eq!(function.parameter(""), None);
}

#[test]
fn a_module_continues_the_kernel() {
    let base = Arc::new(two_functions());
    let mut blob = Blob::split(&base);
    // `struct t { struct s s; struct s *p; }`, `int g(struct t *, struct s *)`, and a function named like the kernel's.
    let (t, member, pointer) = (blob.text("t"), blob.text("inner"), blob.text("p"));
    let t = blob.ty(t, STRUCT << 24 | 2, 16, &[member, S, 0, pointer, S_POINTER, 64]);
    let to_t = blob.ty(0, PTR << 24, t, &[]);
    let proto = blob.ty(0, FUNC_PROTO << 24 | 2, INTEGER, &[0, to_t, 0, S_POINTER]);
    for name in ["g", "f"] {
        let name = blob.text(name);
        blob.ty(name, FUNC << 24, proto, &[]);
    }
    let module = Btf::module(Arc::clone(&base), blob.bytes()).unwrap();
    let function = module.function("g").unwrap();
    assert_eq!((function.pointer_to("t"), function.pointer_to("s")), (Some(0), Some(1)));
    assert!(!function.returns_void);
    assert_eq!(module.offset("t.p"), Some(8));
    assert_eq!(module.offset("t.inner.second"), Some(4), "through the kernel's struct");
    assert_eq!(module.offset("s.second"), Some(4), "the kernel's own");
    let own = module.function("f").unwrap();
    assert!(
        !own.is_ambiguous && own.id == function.id + 1,
        "the module's own comes first"
    );
    assert_eq!(base.function("g"), None);
}

#[test]
fn the_kernels_own_types_read_as_a_module_of_nothing_or_of_another_kernel_end() {
    let bytes = fs::read(VMLINUX).unwrap();
    let base = Arc::new(Btf::parse(bytes.clone()).unwrap());
    let empty = Blob::split(&base).bytes();
    let module = Btf::module(Arc::clone(&base), empty).unwrap();
    assert_eq!(module.offset("sock.sk_err"), base.offset("sock.sk_err"));
    assert_eq!(
        module.function("tcp_connect").map(|function| function.id),
        base.function("tcp_connect").map(|function| function.id)
    );
    let other = Btf::module(Arc::new(two_functions()), bytes).unwrap();
    assert!(
        other
            .function("tcp_connect")
            .is_none_or(|function| function.parameters.len() < 100)
    );
}

#[test]
fn a_typedef_of_itself_ends() {
    let mut blob = Blob::whole();
    let name = blob.text("btf_trace_a");
    blob.ty(name, TYPEDEF << 24, 1, &[]);
    let btf = Btf::parse(blob.bytes()).unwrap();
    assert_eq!(btf.tracepoint_args("a"), None);
}

#[test]
fn a_struct_full_of_itself_ends() {
    let mut blob = Blob::whole();
    let name = blob.text("a");
    let members: Vec<_> = (0..1000).flat_map(|_| [0, 1, 0]).collect();
    blob.ty(name, STRUCT << 24 | 0x3e8, 8, &members);
    let btf = Btf::parse(blob.bytes()).unwrap();
    assert_eq!(btf.offset("a.b"), None);
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ask(Btf::parse(bytes));
    }

    #[test]
    fn any_types_end(words in proptest::collection::vec(word(), 0..80), strings in proptest::collection::vec(text(), 0..40)) {
        let blob = Blob { types: words.clone(), strings: strings.clone(), first_id: 1, first_string: 0 };
        ask(Btf::parse(blob.bytes()));
        let base = Arc::new(two_functions());
        ask(Btf::module(Arc::clone(&base), blob.bytes()));
        if let Ok(base) = Btf::parse(blob.bytes()) {
            ask(Btf::module(Arc::new(base), blob.bytes()));
        }
    }

    #[test]
    fn a_damaged_module_ends(at in 0usize..400, byte in any::<u8>(), length in 0usize..400) {
        let base = Arc::new(two_functions());
        let mut bytes = base.bytes.clone();
        bytes.truncate(length);
        if let Some(old) = bytes.get_mut(at) {
            *old = byte;
        }
        ask(Btf::parse(bytes.clone()));
        ask(Btf::module(base, bytes));
    }
}

/// Looks up everything in whatever was parsed.
fn ask(btf: Result<Btf, BtfError>) {
    let Ok(btf) = btf else { return };
    for name in ["f", "s", "a", "", "no"] {
        let _ = btf.has_function(name);
        let _ = btf.function(name).map(|function| function.pointer_to("s"));
        let _ = btf.tracepoint_args(name);
        let _ = btf.enum_values(name).count();
        for path in [
            name.to_owned(),
            format!("{name}.a"),
            format!("sizeof {name}"),
            format!("{name}.."),
        ] {
            let _ = btf.offset(&path);
        }
    }
}

/// A word of a type: small numbers point into the types and strings, the others are kinds with a small count.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..20u32,
        (0..24u32, 0..4u32, any::<bool>())
            .prop_map(|(kind, count, flag)| { u32::from(flag) << 31 | kind << 24 | count }),
        any::<u32>()
    ]
}

fn text() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(b'a'), Just(b'f'), Just(b's'), any::<u8>()]
}

/// `struct s { int first, second; }`, `void f(struct s *, const volatile struct s *)` and another `void f(struct x *)`.
fn two_functions() -> Btf {
    let mut blob = Blob::whole();
    let name = blob.text("int");
    assert_eq!(blob.ty(name, INT << 24, 4, &[32]), INTEGER);
    let (name, first, second) = (blob.text("s"), blob.text("first"), blob.text("second"));
    assert_eq!(
        blob.ty(name, STRUCT << 24 | 2, 8, &[first, INTEGER, 0, second, INTEGER, 32]),
        S
    );
    assert_eq!(blob.ty(0, PTR << 24, S, &[]), S_POINTER);
    let constant = blob.ty(0, CONST << 24, S, &[]);
    let volatile = blob.ty(0, VOLATILE << 24, constant, &[]);
    let other = blob.ty(0, PTR << 24, volatile, &[]);
    let name = blob.text("x");
    let forward = blob.ty(name, FWD << 24, 0, &[]);
    let to_forward = blob.ty(0, PTR << 24, forward, &[]);
    let name = blob.text("f");
    for parameters in [&[0, S_POINTER, 0, other][..], &[0, to_forward][..]] {
        let proto = blob.ty(0, FUNC_PROTO << 24 | small(parameters.len() / 2), 0, parameters);
        blob.ty(name, FUNC << 24, proto, &[]);
    }
    Btf::parse(blob.bytes()).unwrap()
}

fn small(length: usize) -> u32 {
    length.try_into().unwrap()
}

/// A writer of BTF.
struct Blob {
    types: Vec<u32>,
    strings: Vec<u8>,
    first_id: u32,
    first_string: u32,
}

impl Blob {
    fn whole() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            first_id: 1,
            first_string: 0,
        }
    }

    fn split(base: &Btf) -> Self {
        Self {
            types: Vec::new(),
            strings: Vec::new(),
            first_id: base.next_id(),
            first_string: base.next_string(),
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        let at = self.first_string + small(self.strings.len());
        self.strings.extend(text.bytes().chain([0]));
        at
    }

    fn ty(&mut self, name: u32, info: u32, size: u32, rest: &[u32]) -> u32 {
        self.types.extend([name, info, size].iter().chain(rest));
        self.first_id += 1;
        self.first_id - 1
    }

    fn bytes(&self) -> Vec<u8> {
        let types = small(self.types.len()) * 4;
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let words = [24, 0, types, types, small(self.strings.len())];
        bytes.extend(words.iter().chain(&self.types).flat_map(|word| word.to_ne_bytes()));
        bytes.extend(&self.strings);
        bytes
    }
}

const INTEGER: u32 = 1;
const S: u32 = 2;
const S_POINTER: u32 = 3;
