//! What this process used up so far, from `/proc`.
#![allow(dead_code)]

/// Clock ticks a second in `/proc/self/stat`, the same on every Linux.
const TICKS: f64 = 100.0;

/// Processor seconds, user and system.
pub fn processor() -> std::io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS)
}

/// The most memory that was resident, in bytes.
pub fn peak() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024)
}
