//! A wire that loses frames, between two devices of a host without addresses: no kernel drops anything, so that no probe
//! sees the loss, as on a real path.

use crate::lab::host::packet::{FRAME_LIMIT, keep_offloads, packet_socket};
use etherparse::{SlicedPacket, TransportSlice};
use rustix::net::{self, RecvFlags, SendFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

/// Returns once it passes frames on. Every `lose_every`-th of those that carry data of TCP is lost, in each direction.
pub(super) fn start(devices: &[String; 2], lose_every: u32) -> io::Result<()> {
    let [left, right] = devices;
    let (left, right) = (Arc::new(socket(left)?), Arc::new(socket(right)?));
    for (from, to) in [(Arc::clone(&left), Arc::clone(&right)), (right, left)] {
        thread::spawn(move || pass(&from, &to, lose_every));
    }
    Ok(())
}

fn socket(device: &str) -> io::Result<OwnedFd> {
    let socket = packet_socket(device)?;
    keep_offloads(&socket)?;
    Ok(socket)
}

fn pass(from: &OwnedFd, to: &OwnedFd, lose_every: u32) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_LIMIT];
    let mut seen = 0_u32;
    loop {
        let (length, _) = net::recv(from, buffer.as_mut_slice(), RecvFlags::empty())?;
        let Some((_, frame)) = buffer.get(..length).and_then(|all| all.split_at_checked(OFFLOADS)) else {
            continue;
        };
        if carries_data(frame) {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(lose_every) {
                continue;
            }
        }
        // A device that is not up yet takes nothing: that frame is lost, too.
        let _ = net::send(to, buffer.get(..length).unwrap_or_default(), SendFlags::empty());
    }
}

fn carries_data(frame: &[u8]) -> bool {
    let packet = SlicedPacket::from_ethernet(frame).ok();
    let transport = packet.and_then(|packet| packet.transport);
    matches!(transport, Some(TransportSlice::Tcp(tcp)) if !tcp.payload().is_empty())
}

/// The bytes of `struct virtio_net_hdr` ahead of each frame.
const OFFLOADS: usize = 10;
