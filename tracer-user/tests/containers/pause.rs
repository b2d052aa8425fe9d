//! The only program of the image: waits until it is killed. `cargo xtask test --parts containers` compiles it, static.

fn main() {
    loop {
        std::thread::park();
    }
}
