//! This machine and this program, as the window's settings page and `device list` show them.

use std::path::Path;

use compute::{Adapter, Choice, Device};

use crate::error::Result;
use crate::view;
use crate::worker::wire::plain;
use crate::worker::{self, machine_memory, outside};

/// What jobs can run on, and what `auto` takes: as a worker without input sees it, for graphics drivers stay out of this process.
///
/// # Errors
/// Where not even the CPU can be opened, or no worker starts.
pub fn devices() -> Result<view::Devices> {
    let manner = worker::manner()?;
    // A graphics stack that fails is a machine without one.
    let adapters = outside::devices(&manner.program).unwrap_or_default();
    of(&adapters)
}

fn of(adapters: &[Adapter]) -> Result<view::Devices> {
    let auto = Device::auto_takes(adapters);
    let mut devices = vec![view::DeviceInfo {
        name: Device::open(Choice::Cpu)?.name(),
        kind: "cpu".to_owned(),
        chosen: auto.is_none(),
        driver: None,
        memory: Some(machine_memory()),
    }];
    devices.extend(adapters.iter().enumerate().map(|(place, adapter)| view::DeviceInfo {
        name: plain(&adapter.to_string()),
        kind: if adapter.software { "software" } else { "gpu" }.to_owned(),
        chosen: auto == Some(place),
        driver: Some(plain(&adapter.driver)),
        memory: adapter.memory,
    }));
    let only = adapters.first().filter(|_| auto.is_none());
    let fallback = only.map(|adapter| format!("{} is software, slower than the CPU path", plain(&adapter.name)));
    Ok(view::Devices { devices, fallback })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, software: bool) -> Adapter {
        Adapter { name: name.into(), driver: "d".into(), api: "vulkan".into(), software, memory: None, max_buffer: 1 }
    }

    /// The device that `auto` takes among these.
    fn auto(adapters: &[Adapter]) -> String {
        let mut taken = of(adapters).unwrap().devices.into_iter().filter(|device| device.chosen);
        let name = taken.next().unwrap().name;
        assert!(taken.next().is_none());
        name
    }

    #[test]
    fn auto_takes_hardware_and_no_software() {
        assert!(auto(&[]).contains("CPU"));
        assert!(auto(&[adapter("llvmpipe", true)]).contains("CPU"));
        assert!(auto(&[adapter("card", false), adapter("llvmpipe", true)]).contains("card"));
    }

    #[test]
    fn adapter_is_found_by_a_part_of_its_name() {
        let card = adapter("AMD Radeon RX 7600", false);
        assert!(card.is_called("AMD Radeon RX 7600") && card.is_called("radeon"));
        assert!(!card.is_called("geforce") && !card.is_called(""));
    }
}
