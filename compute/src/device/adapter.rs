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

pub(super) fn describe(info: &wgpu::AdapterInfo) -> Adapter {
    Adapter {
        name: info.name.clone(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        api: info.backend.to_string(),
        software: info.device_type == wgpu::DeviceType::Cpu,
    }
}

/// Starts the best adapter and registers exactly it with the tensor stack.
pub(super) fn start() -> Result<(Tensors, Adapter)> {
    let Some(adapter) = probe()?.into_iter().next() else {
        return Err(none("none was found".to_owned()));
    };
    let info = adapter.get_info();
    let started = catch_unwind(AssertUnwindSafe(|| register(adapter)));
    let tensors = started.map_err(|panic| none(first_lines(panic_text(panic.as_ref()))))??;
    Ok((tensors, describe(&info)))
}

fn register(adapter: wgpu::Adapter) -> Result<Tensors> {
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
    let setup = WgpuSetup { instance: instance().clone(), adapter, device, queue, backend };
    Tensors::wgpu_options().setup(setup).init().map_err(|error| none(error.to_string()))
}

pub(super) fn none(reason: String) -> Error {
    Error::NoAdapter { reason }
}
