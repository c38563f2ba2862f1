//! Graphics adapters through wgpu: finding them, and starting exactly the one that was found.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device as Tensors, read_sync};
use serde::{Deserialize, Serialize};

use super::{first_lines, panic_text};
use crate::{Error, Result};

/// A graphics adapter that can compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its name as the driver gives it.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// The graphics interface it is reached through, such as `vulkan`.
    pub api: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Bytes of memory, where the system says: all of the machine's for a software adapter.
    pub memory: Option<u64>,
    /// Bytes of the largest single buffer that a kernel can be given.
    pub max_buffer: u64,
}

impl Adapter {
    /// Whether somebody who says `name` means this one: its name, or a part of it.
    pub fn is_called(&self, name: &str) -> bool {
        !name.is_empty() && self.name.to_lowercase().contains(&name.to_lowercase())
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.software { "software" } else { "hardware" };
        write!(f, "{} ({}, {kind})", self.name, self.api)
    }
}

/// The one graphics instance of this process: loaders crash when instances come and go on several threads.
///
/// OpenGL is left out: its compute support is partial, and a software OpenGL would pass for a GPU.
fn instance() -> &'static wgpu::Instance {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            flags: wgpu::InstanceFlags::empty(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        })
    })
}

/// The adapters that can compute, best first.
pub(super) fn probe() -> Result<Vec<wgpu::Adapter>> {
    let found = catch_unwind(|| read_sync(instance().enumerate_adapters(wgpu::Backends::PRIMARY)));
    let mut adapters = found.map_err(|panic| none(first_lines(panic_text(panic.as_ref()))))?;
    adapters
        .retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    Ok(adapters)
}

fn rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

pub(super) fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let software = info.device_type == wgpu::DeviceType::Cpu;
    let limits = adapter.limits();
    Adapter {
        memory: if software { machine_memory() } else { card_memory(info.vendor, info.device) },
        max_buffer: limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
        name: info.name.clone(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        api: info.backend.to_string(),
        software,
    }
}

/// Bytes of memory of this machine.
pub(super) fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
}

/// What the kernel's driver says of the card with these PCI ids; the one for AMD does.
fn card_memory(vendor: u32, device: u32) -> Option<u64> {
    let number = |text: String| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    let cards = std::fs::read_dir("/sys/class/drm").ok()?.flatten().map(|entry| entry.path().join("device"));
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok();
    cards
        .filter(|card| read(card.join("vendor")).and_then(number) == Some(vendor))
        .filter(|card| read(card.join("device")).and_then(number) == Some(device))
        .find_map(|card| read(card.join("mem_info_vram_total"))?.trim().parse().ok())
}

/// A device that was started.
pub(super) struct Started {
    pub tensors: Tensors,
    pub adapter: Adapter,
    /// For taking it away.
    #[cfg(test)]
    pub raw: wgpu::Device,
}

/// Starts the best adapter, or the best of those called `name`, and registers exactly it with the tensor stack.
pub(super) fn start(name: Option<&str>) -> Result<Started> {
    let found = probe()?;
    let names: Vec<String> = found.iter().map(|adapter| adapter.get_info().name).collect();
    let Some(adapter) = found.into_iter().find(|adapter| name.is_none_or(|name| describe(adapter).is_called(name)))
    else {
        return Err(none(match name {
            Some(name) if !names.is_empty() => format!("none is called {name:?}; there are: {}", names.join(", ")),
            _ => "none was found".to_owned(),
        }));
    };
    let described = describe(&adapter);
    let started = catch_unwind(AssertUnwindSafe(|| register(adapter, described)));
    started.map_err(|panic| none(first_lines(panic_text(panic.as_ref()))))?
}

fn register(adapter: wgpu::Adapter, described: Adapter) -> Result<Started> {
    // Kernels are chosen by what the adapter can do, so the device must offer all of it but the experimental parts.
    let wanted = adapter
        .features()
        .difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
        .difference(wgpu::Features::all_experimental_mask());
    let request = wgpu::DeviceDescriptor {
        label: None,
        required_features: wanted,
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        trace: wgpu::Trace::Off,
        experimental_features: wgpu::ExperimentalFeatures::disabled(),
    };
    let (device, queue) = read_sync(adapter.request_device(&request)).map_err(|error| none(error.to_string()))?;
    let backend = adapter.get_info().backend;
    #[cfg(test)]
    let raw = device.clone();
    let setup = WgpuSetup { instance: instance().clone(), adapter, device, queue, backend };
    let tensors = Tensors::wgpu_options().setup(setup).init().map_err(|error| none(error.to_string()))?;
    Ok(Started {
        tensors,
        adapter: described,
        #[cfg(test)]
        raw,
    })
}

pub(super) fn none(reason: String) -> Error {
    Error::NoAdapter { reason }
}
