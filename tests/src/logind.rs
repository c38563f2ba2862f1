//! A machine that is about to sleep: a system bus of its own, and on it a stand-in for systemd-logind.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use gtk::gio::prelude::*;
use gtk::gio::{self, DBusConnection, DBusConnectionFlags, DBusMethodInvocation, DBusNodeInfo, UnixFDList};
use gtk::glib::variant::Handle;
use gtk::glib::{self, Variant};

use crate::window::{Ending, PATIENCE};

const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const FACE: &str = "<node><interface name='org.freedesktop.login1.Manager'>
  <method name='Inhibit'>
    <arg name='what' type='s' direction='in'/><arg name='who' type='s' direction='in'/>
    <arg name='why' type='s' direction='in'/><arg name='mode' type='s' direction='in'/>
    <arg name='pipe_fd' type='h' direction='out'/>
  </method>
  <signal name='PrepareForSleep'><arg name='start' type='b'/></signal>
</interface></node>";

/// The bus, the stand-in on it, and what is asked of it.
pub struct Logind {
    /// Where the bus answers: for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub address: String,
    connection: DBusConnection,
    asked: Receiver<Delay>,
    _bus: Ending,
}

/// A wait that somebody asked for before the machine sleeps.
pub struct Delay {
    /// What is to wait, and how: `sleep`, `delay`.
    pub what: (String, String),
    held: PipeReader,
}

impl Delay {
    /// Waits until it is given back.
    ///
    /// # Panics
    /// When it is not.
    pub fn given_back(mut self) {
        let (ended, end) = channel();
        std::thread::spawn(move || ended.send(self.held.read(&mut [0])));
        let read = end.recv_timeout(PATIENCE).expect("the machine still waits").expect("a pipe");
        assert_eq!(read, 0, "something was written");
    }
}

impl Logind {
    /// A bus in `place`, and the stand-in on it.
    ///
    /// # Panics
    /// When there is no `dbus-daemon`, or it does not answer.
    pub fn start(place: &Path) -> Logind {
        let config = place.join("bus.conf");
        let rules = "<allow user='*'/><allow own='*'/><allow send_destination='*'/><allow receive_sender='*'/>";
        let listen = format!("<listen>unix:path={}</listen><auth>EXTERNAL</auth>", place.join("bus").display());
        let whole = format!("<busconfig>{listen}<policy context='default'>{rules}</policy></busconfig>");
        std::fs::write(&config, whole).expect("a file");
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", config.display())).args(["--nofork", "--print-address=1"]);
        let mut bus = Ending::start(command.stdout(Stdio::piped()), "dbus-daemon");
        let mut address = String::new();
        BufReader::new(bus.0.stdout.take().expect("it is piped")).read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        let (asked_by, asked) = channel();
        let (ready, answers) = channel();
        let connection = connect(&address);
        let serving = connection.clone();
        std::thread::spawn(move || serve(&serving, asked_by, || ready.send(()).expect("the test runs")));
        answers.recv_timeout(PATIENCE).expect("the stand-in answers");
        Logind { address, connection, asked, _bus: bus }
    }

    /// The next wait that is asked for.
    ///
    /// # Panics
    /// When none is.
    pub fn delay(&self) -> Delay {
        self.asked.recv_timeout(PATIENCE).expect("nobody asked the machine to wait")
    }

    /// Whether no more waits were asked for.
    pub fn is_quiet(&self) -> bool {
        self.asked.try_recv().is_err()
    }

    /// Says that the machine is about to sleep, or is awake again.
    ///
    /// # Panics
    /// When the bus is gone.
    pub fn say(&self, sleep: Sleep) {
        tell(&self.connection, sleep);
    }

    /// Lets somebody else than logind say it.
    ///
    /// # Panics
    /// When the bus is gone.
    pub fn let_a_stranger_say(&self, sleep: Sleep) {
        tell(&connect(&self.address), sleep);
    }
}

/// What is said of sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sleep {
    /// It is about to begin.
    Begins,
    /// It is over.
    Ended,
}

fn tell(connection: &DBusConnection, sleep: Sleep) {
    let start = (sleep == Sleep::Begins,).to_variant();
    connection.emit_signal(None, PATH, MANAGER, "PrepareForSleep", Some(&start)).expect("the bus takes it");
    connection.flush_sync(gio::Cancellable::NONE).expect("the bus takes it");
}

fn connect(address: &str) -> DBusConnection {
    let flags = DBusConnectionFlags::AUTHENTICATION_CLIENT | DBusConnectionFlags::MESSAGE_BUS_CONNECTION;
    DBusConnection::for_address_sync(address, flags, None, gio::Cancellable::NONE).expect("the bus answers")
}

/// Answers as logind until the connection ends with the test.
fn serve(connection: &DBusConnection, asked: Sender<Delay>, ready: impl FnOnce()) {
    let context = glib::MainContext::new();
    let inhibit = move |invocation: DBusMethodInvocation, parameters: &Variant| {
        let (what, _, _, mode) = parameters.get::<(String, String, String, String)>().expect("four texts");
        let (held, end) = std::io::pipe().expect("a pipe");
        let files = UnixFDList::from_array([std::os::fd::OwnedFd::from(end)]);
        invocation.return_value_with_unix_fd_list(Some(&(Handle(0),).to_variant()), Some(&files));
        let _ = asked.send(Delay { what: (what, mode), held });
    };
    let inhibit = std::sync::Mutex::new(inhibit);
    let served = context.with_thread_default(|| {
        let face = DBusNodeInfo::for_xml(FACE).expect("an interface").lookup_interface(MANAGER).expect("it is in it");
        let called = move |_, _: &str, _: &str, _: &str, _: &str, parameters: Variant, invocation| {
            inhibit.lock().expect("one call at a time")(invocation, &parameters);
        };
        let get = |_, _: &str, _: &str, _: &str, _: &str| ().to_variant();
        let set = |_, _: &str, _: &str, _: &str, _: &str, _| false;
        connection.register_object(PATH, &face, called, get, set).expect("registered");
        let name = (LOGIND, 0_u32).to_variant();
        let bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
        connection
            .call_sync(
                Some(bus.0),
                bus.1,
                bus.2,
                "RequestName",
                Some(&name),
                None,
                gio::DBusCallFlags::NONE,
                -1,
                gio::Cancellable::NONE,
            )
            .expect("the name is free");
        ready();
        glib::MainLoop::new(Some(&context), false).run();
    });
    served.expect("a context of its own");
}
