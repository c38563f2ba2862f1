//! The window's settings, and what it says about this program and this machine.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::{bytes, table};

/// A language of the pages.
#[derive(Serialize, Deserialize, specta::Type, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// The system's, where the pages speak it.
    #[default]
    System,
    /// English.
    English,
    /// French.
    French,
}

/// Light or dark.
#[derive(Serialize, Deserialize, specta::Type, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Where jobs run.
#[derive(Serialize, Deserialize, specta::Type, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum DeviceWish {
    /// The GPU where there is one.
    #[default]
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// What the person set. Kept in a file beside the vault: it is read before the vault is open and holds nothing secret.
#[derive(Serialize, Deserialize, specta::Type, Clone, Debug, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Minutes without use after which the vault locks: 1 to 1440.
    pub auto_lock_minutes: u32,
    /// Of the pages.
    pub language: Language,
    /// Of the pages.
    pub theme: Theme,
    /// For jobs.
    pub device: DeviceWish,
    /// Whether finished jobs, requests and payments are notified, without content.
    pub notifications: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            auto_lock_minutes: 10,
            language: Language::System,
            theme: Theme::System,
            device: DeviceWish::Auto,
            notifications: true,
        }
    }
}

/// How long a passphrase would hold.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq)]
pub struct Strength {
    /// 0 (guessed at once) to 4.
    pub score: u8,
    /// Guesses it would take, as a power of ten.
    pub guesses_log10: f64,
    /// Whether a vault may have it.
    pub long_enough: bool,
    /// What is weak about it, in a word: `common`, `name`, `date`, `keyboard`, `repeat`, `sequence`.
    pub weakness: Option<String>,
}

/// Something that jobs can run on.
#[derive(Serialize, specta::Type, Clone)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// `cpu`, `gpu` or `software`.
    pub kind: String,
    /// Whether `auto` takes it.
    pub chosen: bool,
    /// The driver and its version; nothing for the CPU.
    #[specta(skip)]
    pub driver: Option<String>,
    /// Bytes of memory, where the system says.
    #[specta(skip)]
    pub memory: Option<u64>,
}

/// `device_list`
#[derive(Serialize, specta::Type)]
pub struct Devices {
    /// All of them.
    pub devices: Vec<DeviceInfo>,
    /// Why the CPU is taken although there is something else.
    pub fallback: Option<String>,
}

impl Display for Devices {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.devices.iter().map(|device| {
            let memory = device.memory.map_or_else(|| "unknown".to_owned(), bytes);
            let chosen = if device.chosen { "auto" } else { "" };
            vec![device.name.clone(), device.kind.clone(), memory, chosen.to_owned()]
        });
        table(f, &["device", "kind", "memory", "taken by"], rows)?;
        self.fallback.iter().try_for_each(|why| writeln!(f, "auto takes the CPU: {why}"))
    }
}

/// About this program.
#[derive(Serialize, specta::Type)]
pub struct About {
    /// Its version.
    pub version: String,
    /// Its licenses.
    pub license: String,
    /// What its proofs say.
    pub proofs: String,
    /// Where the vault is.
    pub home: String,
}

/// `log_show`
#[derive(Serialize, specta::Type)]
pub struct Log {
    /// The oldest first.
    pub lines: Vec<String>,
}

/// Something with an end, which a person should know of before closing the window.
#[derive(Serialize, specta::Type, Clone)]
pub struct Deadline {
    /// The job.
    pub job_id: String,
    /// What is to be done.
    pub next: String,
    /// Until when, RFC 3339.
    pub until: String,
}

/// `deadline_list`
#[derive(Serialize, specta::Type)]
pub struct Deadlines {
    /// The nearest first.
    pub deadlines: Vec<Deadline>,
}

/// `earning_start`: what is to go on while the vault is locked.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug)]
pub struct EarningWanted {
    /// Names of published datasets.
    pub datasets: Vec<String>,
    /// For how many hours.
    pub hours: u32,
    /// Most jobs over each dataset.
    pub jobs: u32,
}

/// `earning_show`: what goes on while the vault is locked.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// Until when, RFC 3339.
    pub until: String,
    /// The datasets' names.
    pub datasets: Vec<String>,
    /// Most jobs over each dataset.
    pub jobs: u32,
}
