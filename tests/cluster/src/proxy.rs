//! A slow connection: a socket that passes on to a cluster what comes, a moment later, until it is cut.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The number that makes the name of its socket another than the cluster's own.
pub const PORT: u16 = 5999;

/// A socket in a cluster's folder.
pub struct Proxy {
    open: Arc<Mutex<Vec<UnixStream>>>,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens in `folder`, where the cluster listens on port 5432; what goes through takes `delay` each way.
    pub fn start(folder: &str, delay: Duration) -> Proxy {
        let path = format!("{folder}/.s.PGSQL.{PORT}");
        let listener = UnixListener::bind(&path).expect("a socket in the cluster's folder");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("rights of the socket");
        let server = format!("{folder}/.s.PGSQL.5432");
        let (open, closed) = (Arc::<Mutex<Vec<UnixStream>>>::default(), Arc::new(AtomicBool::new(false)));
        let proxy = Proxy { open: Arc::clone(&open), closed: Arc::clone(&closed) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Acquire) {
                    break;
                }
                let Ok(server) = UnixStream::connect(&server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    thread::spawn(move || pass_on(from, to, delay));
                }
                open.lock().expect("the list of sockets").extend([client, server]);
            }
        });
        proxy
    }

    /// Cuts every connection, as a remote does that dies. New ones go through again.
    pub fn cut(&self) {
        for socket in self.open.lock().expect("the list of sockets").drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.cut();
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, delay: Duration) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        thread::sleep(delay);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
