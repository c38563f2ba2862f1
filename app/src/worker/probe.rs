//! Attempts to get out, made by the worker itself after each layer was put on: what is not refused by the system is a hole,
//! and the layer does not hold.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace::{Options, seize, traceme};
use nix::sys::signal::kill;
use nix::unistd::{Pid, getppid};

use super::Limits;
use crate::error::{Error, Result};

/// Attempts that were refused.
struct Tried(u32);

impl Tried {
    /// `attempt` must end with "not permitted" or "permission denied": any other end means that nobody stood in the way.
    fn denied<T>(&mut self, what: &str, attempt: io::Result<T>) -> Result<()> {
        match attempt {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
                self.0 += 1;
                Ok(())
            }
            Ok(_) => Err(Error::failure(format!("it could {what}"))),
            Err(error) => Err(Error::failure(format!("it was not kept from trying to {what}: {error}"))),
        }
    }

    /// The same for a fact.
    fn holds(&mut self, fact: bool, otherwise: &str) -> Result<()> {
        if !fact {
            return Err(Error::failure(otherwise));
        }
        self.0 += 1;
        Ok(())
    }
}

fn system<T>(answer: nix::Result<T>) -> io::Result<T> {
    answer.map_err(io::Error::from)
}

/// No new privileges, no capability, no descriptor, no environment.
pub(super) fn privileges() -> Result<u32> {
    let mut tried = Tried(0);
    tried.holds(nix::sys::prctl::get_no_new_privs() == Ok(true), "it can gain privileges")?;
    tried.holds(nix::sys::prctl::get_dumpable() == Ok(false), "its memory can be read by others")?;
    let none = |set| caps::read(None, set).is_ok_and(|set| set.is_empty());
    tried.holds(none(caps::CapSet::Effective) && none(caps::CapSet::Permitted), "it has capabilities")?;
    let open = fs::read_dir("/proc/self/fd")?.flatten().count();
    tried.holds(open == 4, "it inherited open files")?;
    let named = |(name, _): (std::ffi::OsString, _)| super::outside::KEPT.iter().all(|kept| name != *kept);
    tried.holds(!std::env::vars_os().any(named), "it inherited an environment")?;
    Ok(tried.0)
}

/// Its own network, where nothing is.
pub(super) fn namespaces() -> Result<u32> {
    let mut tried = Tried(0);
    let devices = fs::read_to_string("/proc/self/net/dev")?.lines().skip(2).count();
    tried.holds(devices <= 1, "it sees the machine's network")?;
    let unreachable = TcpStream::connect(("127.0.0.1", 9)).is_err_and(|e| e.raw_os_error() == Some(libc::ENETUNREACH));
    tried.holds(unreachable, "it reaches this machine's own network")?;
    Ok(tried.0)
}

/// Files of the person, of other processes, and places to write.
pub(super) fn landlock() -> Result<u32> {
    let mut tried = Tried(0);
    tried.denied("list the root folder", fs::read_dir("/"))?;
    tried.denied("list /var", fs::read_dir("/var"))?;
    tried.denied("list /proc", fs::read_dir("/proc"))?;
    let mark = format!("/tmp/usufruct-probe-{}", std::process::id());
    tried.denied("write to /tmp", File::create_new(&mark).inspect(|_| drop(fs::remove_file(&mark))))?;
    tried.denied("write to /dev/shm", File::create_new(mark.replace("/tmp", "/dev/shm")))?;
    tried.denied("make a folder in /tmp", fs::create_dir(&mark).inspect(|()| drop(fs::remove_dir(&mark))))?;
    for file in ["mem", "environ", "maps"] {
        tried.denied("look into the process that started it", File::open(format!("/proc/{}/{file}", getppid())))?;
    }
    tried.denied("trace the process that started it", system(seize(getppid(), Options::empty())))?;
    Ok(tried.0)
}

/// The limits, as the system shows them, and one that can be run into.
pub(super) fn limits(limits: &Limits) -> Result<u32> {
    let mut tried = Tried(0);
    let beyond = usize::try_from(limits.memory).unwrap_or(usize::MAX).saturating_add(1 << 20);
    let refused = Vec::<u8>::new().try_reserve_exact(beyond).is_err();
    tried.holds(refused, "it gets more memory than its limit")?;
    Ok(tried.0)
}

/// Everything that opens, starts, connects or changes what holds it.
pub(super) fn seccomp() -> Result<u32> {
    let mut tried = Tried(0);
    for path in ["/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/dev/null", "/sys/class/net", "."] {
        tried.denied(&format!("open {path}"), File::open(path))?;
    }
    tried.denied("look at a file", fs::metadata("/etc/passwd"))?;
    tried.denied("list a folder", fs::read_dir("/usr"))?;
    tried.denied("write a file", File::create("/dev/null"))?;
    tried.denied("make a folder", fs::create_dir("/tmp/x"))?;
    tried.denied("remove a file", fs::remove_file("/tmp/x"))?;
    tried.denied("rename a file", fs::rename("/tmp/x", "/tmp/y"))?;
    tried.denied("link a file", std::os::unix::fs::symlink("/tmp/x", "/tmp/y"))?;
    tried.denied("change its folder", std::env::set_current_dir("/"))?;
    tried.denied("connect over IPv4", TcpStream::connect(("127.0.0.1", 9)))?;
    tried.denied("connect over IPv6", TcpStream::connect(("::1", 9)))?;
    tried.denied("listen", TcpListener::bind(("127.0.0.1", 0)))?;
    tried.denied("send datagrams", UdpSocket::bind(("127.0.0.1", 0)))?;
    tried.denied("connect to a socket file", UnixStream::connect("/run/dbus/system_bus_socket"))?;
    tried.denied("make a pair of sockets", UnixStream::pair())?;
    tried.denied("start a program", Command::new("/bin/true").spawn())?;
    tried.denied("trace a process", system(seize(getppid(), Options::empty())))?;
    tried.denied("be traced", system(traceme()))?;
    tried.denied("signal a process", system(kill(getppid(), None)))?;
    tried.denied("signal all processes", system(kill(Pid::from_raw(-1), None)))?;
    tried.denied("make namespaces", system(unshare(CloneFlags::CLONE_NEWUSER)))?;
    let highest = libc::RLIM_INFINITY;
    tried.denied(
        "raise its limits",
        system(nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CPU, highest, highest)),
    )?;
    tried.denied("become dumpable", system(nix::sys::prctl::set_dumpable(true)))?;
    tried.holds(std::thread::spawn(|| 7).join().is_ok_and(|n| n == 7), "it cannot start a thread")?;
    Ok(tried.0)
}
