//! TCP sockets that end at once with their process: one left to finish alone would keep its namespace for minutes.

use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    socket(to)?.connect(to).await
}

/// Accepted connections inherit the setting.
pub(super) fn listen(on: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(on)?;
    socket.set_reuseaddr(true)?;
    socket.bind(on)?;
    socket.listen(128)
}

/// An IPv4-mapped address as IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn socket(of_family: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if of_family.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_zero_linger()?;
    Ok(socket)
}
