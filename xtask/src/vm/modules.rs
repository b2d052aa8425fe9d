//! A kernel's modules: which the tests need, what those need in turn, and the order to load them in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

/// A module as the guest loads it: its name and its code, not compressed.
pub(super) type Module = (String, Vec<u8>);

/// The modules for a guest under `folder` (`/lib/modules/RELEASE`), each after those that it needs.
///
/// One that this kernel has built in, or does not have, is not among them.
pub(super) fn for_tests(folder: &Path) -> anyhow::Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    index(&folder.join("kernel"), &mut files)?;
    let mut loads = Loads {
        find: |name: &str| files.get(name).map(|path| read(path)).transpose(),
        seen: BTreeSet::new(),
        order: Vec::new(),
    };
    for name in WANTED {
        loads.add(name)?;
    }
    Ok(loads.order)
}

/// Collects modules after their dependencies.
struct Loads<F> {
    find: F,
    seen: BTreeSet<String>,
    order: Vec<Module>,
}

impl<F: Fn(&str) -> anyhow::Result<Option<Vec<u8>>>> Loads<F> {
    fn add(&mut self, name: &str) -> anyhow::Result<()> {
        let name = normalized(name);
        if !self.seen.insert(name.clone()) {
            return Ok(());
        }
        let Some(code) = (self.find)(&name)? else {
            return Ok(());
        };
        for need in needs(&code) {
            self.add(&need)?;
        }
        self.order.push((name, code));
        Ok(())
    }
}

/// The files of all modules below a folder, by name.
fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            index(&path, files)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            files.insert(normalized(name), path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let output = Command::new(program).args(["-d", "-c"]).arg(path).output();
    let output = output.with_context(|| format!("cannot start {program}, which unpacks this kernel's modules"))?;
    if !output.status.success() {
        bail!("{program} cannot unpack {}", path.display());
    }
    Ok(output.stdout)
}

/// What a module says that it needs: for its symbols, and those that it wants loaded before.
fn needs(code: &[u8]) -> Vec<String> {
    let hard = fields(code, b"depends=").flat_map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>());
    let soft = fields(code, b"softdep=").flat_map(|text| {
        let before = text.split_once("pre:").map_or("", |(_, rest)| rest);
        let before = before.split("post:").next().unwrap_or_default();
        before.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    hard.chain(soft)
        .filter(|name| !name.is_empty())
        .map(|name| normalized(&name))
        .collect()
}

/// The values of a key in a module's information, which is a row of strings with zeros between them.
fn fields<'code>(code: &'code [u8], key: &'code [u8]) -> impl Iterator<Item = &'code str> {
    code.split(|byte| *byte == 0)
        .filter_map(move |string| str::from_utf8(string.strip_prefix(key)?).ok())
}

fn normalized(name: &str) -> String {
    name.replace('-', "_")
}

/// What a guest needs to reach the host, and what the scenarios' rules and links need. `request_module` finds nothing
/// in a guest, so whatever a program could ask for is loaded ahead.
#[rustfmt::skip]
const WANTED: &[&str] = &[
    "virtio_pci", "virtio_mmio", "virtio_console",
    "af_packet", "veth", "dummy", "bridge", "tun",
    "inet_diag", "tcp_diag", "udp_diag", "netlink_diag", "unix_diag", "af_packet_diag",
    "nf_conntrack", "nf_conntrack_netlink", "nf_nat", "nf_reject_ipv4", "nf_reject_ipv6",
    "nf_tables", "nft_ct", "nft_chain_nat", "nft_nat", "nft_redir", "nft_masq", "nft_reject", "nft_reject_ipv4",
    "nft_reject_ipv6", "nft_reject_inet", "nft_compat", "nft_counter", "nft_tproxy", "nft_socket", "nft_limit",
    "nft_log", "nft_fib_inet", "nft_hash", "nft_quota",
    "x_tables", "xt_conntrack", "xt_connmark", "xt_mark", "xt_owner", "xt_REDIRECT", "xt_tcpudp", "xt_multiport",
    "xt_comment", "xt_TPROXY", "xt_nat", "xt_MASQUERADE", "xt_socket", "xt_addrtype", "xt_limit", "xt_LOG",
    "xt_statistic", "xt_TCPMSS", "ipt_REJECT", "ip6t_REJECT",
    "ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "iptable_raw",
    "ip6_tables", "ip6table_filter", "ip6table_nat", "ip6table_mangle", "ip6table_raw",
    "sch_netem", "sch_htb", "sch_ingress", "cls_bpf",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn module(depends: &str, softdep: &str) -> Vec<u8> {
        format!("\u{7f}ELF\0\0license=GPL\0depends={depends}\0{softdep}\0name=x\0").into_bytes()
    }

    fn order(known: &[(&str, Vec<u8>)], wanted: &[&str]) -> Vec<String> {
        let mut loads = Loads {
            find: |name: &str| {
                Ok(known
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, code)| code.clone()))
            },
            seen: BTreeSet::new(),
            order: Vec::new(),
        };
        for name in wanted {
            loads.add(name).unwrap();
        }
        loads.order.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() {
        let known = [
            ("nf_nat", module("nf_conntrack,libcrc32c", "")),
            ("nf_conntrack", module("libcrc32c,nf-defrag-ipv4", "")),
            ("nf_defrag_ipv4", module("", "")),
            ("libcrc32c", module("", "softdep=pre: crc32c-generic post: late")),
            ("crc32c_generic", module("", "")),
            ("late", module("", "")),
        ];
        assert_eq!(
            order(&known, &["nf_nat", "nf_conntrack", "built-in"]),
            [
                "crc32c_generic",
                "libcrc32c",
                "nf_defrag_ipv4",
                "nf_conntrack",
                "nf_nat"
            ]
        );
    }

    #[test]
    fn a_circle_of_wishes_ends() {
        let known = [("a", module("", "softdep=pre: b")), ("b", module("", "softdep=pre: a"))];
        assert_eq!(order(&known, &["a"]), ["b", "a"]);
    }
}
