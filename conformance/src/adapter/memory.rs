//! Peak memory of a process group, where the system tells.

/// Measures the peak of all processes of a group together.
#[derive(Debug, Default)]
pub(super) struct PeakMeter {
    /// Whether the last reset reached every process: a peak from before it would hide what is looked for.
    valid: bool,
}

impl PeakMeter {
    /// Forgets the peak so far.
    pub(super) fn reset(&mut self, group: u32) {
        self.valid = system::reset(group);
    }

    /// Sum of the peaks of the group's processes in bytes since the last reset. Peaks at different times make it an
    /// upper bound; with one process, the usual case, it is exact.
    pub(super) fn peak(&self, group: u32) -> Option<u64> {
        if self.valid { system::peak(group) } else { None }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    /// What `proc/PID/clear_refs` takes for "forget the peak of the resident set".
    const RESET_PEAK: &str = "5";

    pub(super) fn reset(group: u32) -> bool {
        let members = members(group);
        !members.is_empty()
            && members.iter().all(|pid| fs::write(format!("/proc/{pid}/clear_refs"), RESET_PEAK).is_ok())
    }

    pub(super) fn peak(group: u32) -> Option<u64> {
        let peaks: Vec<u64> = members(group).into_iter().filter_map(peak_of).collect();
        if peaks.is_empty() { None } else { Some(peaks.iter().sum()) }
    }

    fn peak_of(pid: u32) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    fn members(group: u32) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| group_of(*pid) == Some(group))
            .collect()
    }

    fn group_of(pid: u32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; after the last one stand state, parent and group.
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn this_process_has_a_group_and_a_peak() {
            let me = std::process::id();
            let group = group_of(me).unwrap();
            assert!(members(group).contains(&me));
            assert!(peak_of(me).unwrap() > 1024 * 1024);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn reset(_group: u32) -> bool {
        false
    }

    pub(super) fn peak(_group: u32) -> Option<u64> {
        None
    }
}
