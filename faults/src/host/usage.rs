//! What a process has used, as Linux tells it (`proc(5)`).

use std::fs;

/// `/proc` counts time in ticks; on every Linux there are 100 in a second (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time and the most memory of a process so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// The most resident memory (`VmHWM`).
    pub peak_memory_bytes: u64,
}

/// What the process has used; `None` if it is gone.
#[must_use]
pub fn of(process: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Usage { cpu_seconds: cpu_seconds(&stat)?, peak_memory_bytes: peak(&status).unwrap_or(0) })
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name, in brackets, may have spaces; utime and stime are the 14th and 15th of all fields.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_linux_are_understood() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t   12 kB\n"), Some(12_288));
    }

    #[test]
    fn this_process_uses_something() {
        assert!(of(std::process::id()).unwrap().peak_memory_bytes > 100_000);
        assert_eq!(of(u32::MAX), None);
    }
}
