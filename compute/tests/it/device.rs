//! Which device is opened, and that a missing GPU is never passed over in silence.

use std::process::Command;

use compute::{Choice, Device, Error, Kind};

/// Set in the child processes that these tests start of themselves.
const CHILD: &str = "COMPUTE_TEST_WITHOUT_ADAPTERS";

/// Runs the test `name` again in a process whose graphics loader finds no driver.
fn without_adapters(name: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .env("VK_DRIVER_FILES", "/nonexistent")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in a process without adapters");
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn gpu_without_adapters_is_an_error() {
    if !is_child() {
        return without_adapters("device::gpu_without_adapters_is_an_error");
    }
    assert_eq!(Device::adapters().unwrap(), []);
    let refused = Device::open(Choice::Gpu).unwrap_err();
    assert!(matches!(refused, Error::NoAdapter { .. }), "{refused}");
    assert!(refused.to_string().contains("mesa-vulkan-drivers"), "{refused}");
}

#[test]
fn auto_without_adapters_says_that_it_fell_back() {
    if !is_child() {
        return without_adapters("device::auto_without_adapters_says_that_it_fell_back");
    }
    let device = Device::open(Choice::Auto).unwrap();
    assert_eq!((device.asked(), device.kind()), (Choice::Auto, Kind::Cpu));
    assert!(device.fallback().unwrap().contains("no GPU adapter"), "{:?}", device.fallback());
    assert_eq!(device.adapter(), None);
}

#[test]
fn cpu_without_adapters_is_no_fallback() {
    if !is_child() {
        return without_adapters("device::cpu_without_adapters_is_no_fallback");
    }
    let device = Device::open(Choice::Cpu).unwrap();
    assert_eq!((device.asked(), device.kind(), device.fallback()), (Choice::Cpu, Kind::Cpu, None));
}

#[test]
fn auto_takes_hardware_and_gives_a_reason_when_it_does_not() {
    let adapters = Device::adapters().unwrap();
    let first = adapters.first().expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let device = Device::open(Choice::Auto).unwrap();
    if first.software {
        assert_eq!(device.kind(), Kind::Cpu);
        assert!(device.fallback().unwrap().contains(&first.name), "{:?}", device.fallback());
    } else {
        assert_eq!((device.kind(), device.fallback()), (Kind::Gpu, None));
    }
}

#[test]
fn gpu_opened_twice_is_one_device_with_the_adapters_name() {
    let first = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let second = Device::open(Choice::Gpu).unwrap();
    let adapter = first.adapter().unwrap();
    assert_eq!((first.kind(), first.fallback()), (Kind::Gpu, None));
    assert_eq!(first.name(), second.name());
    assert!(first.name().starts_with("wgpu (WGSL): ") && first.name().contains(&adapter.name), "{}", first.name());
    assert_eq!(first.name().ends_with(", software"), adapter.software);
}
