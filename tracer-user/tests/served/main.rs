//! The agent's server for the heavy tests, with what the recordings of the scenarios told, and with the worst of names.
//!
//! It prints its address and serves until its standard input ends.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "it serves tests alone")]

mod hostile;
mod recorded;

use std::io::Read;
use std::time::Duration;
use tracer_user::board::{NamesHealth, SharedBoard};
use tracer_user::model::time::Timestamp;
use tracer_user::serve::{Health, Server, State};

fn main() {
    let board = SharedBoard::default();
    let now = now();
    recorded::tell(&board, now);
    hostile::tell(&board, now);
    board.update(|board| {
        board.set_names(NamesHealth {
            answers: true,
            kept: 12,
            asked: 34,
            failed: 1,
        });
    });
    let health = Health::new(now);
    health.set_unready(Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Vec::new()).expect("an address");
        tokio::spawn(beat(health.clone()));
        println!("http://{}", server.address());
        server.run(State { board, health }, input_ended()).await;
    });
}

async fn beat(health: Health) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        health.beat(now());
    }
}

async fn input_ended() {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _: Result<_, _> = read.await;
}

fn now() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    Timestamp::from_nanos(u64::try_from(nanos).expect("a time"))
}
