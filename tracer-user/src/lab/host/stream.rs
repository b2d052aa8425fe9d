//! A TCP connection that ends at once with its process, whatever it was doing.

use rustix::net::sockopt;
use std::io;
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Dropped, it closes in the ordinary way. When the process is killed instead, the kernel resets it: a socket left to
/// finish alone goes on retransmitting for minutes and keeps its namespace, veths and rules alive all the while.
pub(super) struct Stream(TcpStream);

impl Stream {
    pub(super) fn new(stream: impl Into<TcpStream>) -> io::Result<Self> {
        let stream = stream.into();
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        Ok(Self(stream))
    }

    /// Closes as a killed process does.
    pub(super) fn abort(self) -> io::Result<()> {
        // The clone is the last to go, and nothing takes its SO_LINGER back.
        let last = self.0.try_clone()?;
        drop(self);
        sockopt::set_socket_linger(&last, Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It fails only on a socket that is gone already.
        let _ = sockopt::set_socket_linger(&self.0, None);
    }
}

impl Deref for Stream {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut TcpStream {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn dropping_closes_and_aborting_resets() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || Stream::new(TcpStream::connect(address).unwrap()).unwrap();

        drop(connect());
        assert_eq!(listener.accept().unwrap().0.read(&mut [0]).unwrap(), 0);

        connect().abort().unwrap();
        let error = listener.accept().unwrap().0.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
