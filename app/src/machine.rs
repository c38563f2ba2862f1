//! This machine and this program, as the window's settings page shows them.

use std::path::Path;

use compute::{Choice, Device};

use crate::error::Result;
use crate::view;

/// What jobs can run on, and what `auto` takes.
///
/// # Errors
/// Where not even the CPU can be opened.
pub fn devices() -> Result<view::Devices> {
    let auto = Device::open(Choice::Auto)?;
    let mut devices = vec![view::DeviceInfo {
        name: Device::open(Choice::Cpu)?.name(),
        kind: "cpu".to_owned(),
        chosen: auto.adapter().is_none(),
    }];
    // A graphics stack that fails is a machine without one.
    for adapter in Device::adapters().unwrap_or_default() {
        devices.push(view::DeviceInfo {
            chosen: auto.adapter().is_some_and(|used| used.name == adapter.name && used.api == adapter.api),
            kind: if adapter.software { "software" } else { "gpu" }.to_owned(),
            name: adapter.to_string(),
        });
    }
    Ok(view::Devices { devices, fallback: auto.fallback().map(str::to_owned) })
}

/// About this program.
pub fn about(home: &Path) -> view::About {
    view::About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        license: env!("CARGO_PKG_LICENSE").to_owned(),
        proofs: "bound; forgeable: the keys come from a development ceremony".to_owned(),
        home: home.display().to_string(),
    }
}
