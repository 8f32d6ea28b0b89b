//! System calls that are refused: what gives memory that no limit counts, and sockets that no network namespace holds.

use std::io::{self, PipeReader, Write as _};

use rustix::io::{FdFlags, fcntl_setfd};

/// The number of this architecture in a filter's input, and of its calls: `socket`, then those that are refused, which are `shmget`,
/// `semget`, `msgget` (memory of the kernel's that outlives who asked for it), `memfd_create` and `memfd_secret` (files in memory, of
/// any size) and `io_uring_setup` (which makes sockets without a call).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<(u32, u32, [u32; 6])> = Some((0xc000_003e, 41, [29, 64, 68, 319, 447, 425]));
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<(u32, u32, [u32; 6])> = Some((0xc000_00b7, 198, [194, 190, 186, 279, 447, 425]));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<(u32, u32, [u32; 6])> = None;

/// Families of sockets that there may be: `AF_UNIX`, `AF_INET`, `AF_INET6`. Others, such as `AF_VSOCK`, reach out of a namespace.
const FAMILIES: [u32; 3] = [1, 2, 10];
/// From this number on, calls are those of another interface (x32 on x86-64), with other numbers.
const OTHER_INTERFACE: u32 = 0x4000_0000;
/// What a filter says: the call goes on, or fails with `EPERM`.
const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0001;
/// Where in a filter's input the call's number, the architecture and the first argument's low half stand, in bytes.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ARGUMENT: u32 = 16;
/// Instructions: load a word, jump if equal, jump if not less, return.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// A jump's aim.
#[derive(Clone, Copy)]
enum Aim {
    Next,
    Allow,
    Refuse,
}

/// The filter as the kernel reads it, eight bytes an instruction. Nothing on an architecture whose numbers are not known here.
fn program() -> Option<Vec<u8>> {
    let (machine, socket, refused) = ARCHITECTURE?;
    let mut steps = vec![
        (LOAD, MACHINE, [Aim::Next; 2]),
        (IF_EQUAL, machine, [Aim::Next, Aim::Refuse]),
        (LOAD, NUMBER, [Aim::Next; 2]),
    ];
    steps.push((IF_NOT_LESS, OTHER_INTERFACE, [Aim::Refuse, Aim::Next]));
    steps.extend(refused.map(|call| (IF_EQUAL, call, [Aim::Refuse, Aim::Next])));
    steps.push((IF_EQUAL, socket, [Aim::Next, Aim::Allow]));
    steps.push((LOAD, ARGUMENT, [Aim::Next; 2]));
    steps.extend(FAMILIES.map(|family| (IF_EQUAL, family, [Aim::Allow, Aim::Next])));
    // The two ends: what falls through is refused.
    let (refuse, allow) = (steps.len(), steps.len() + 1);
    let mut bytes = Vec::new();
    for (at, (code, value, aims)) in steps.into_iter().enumerate() {
        bytes.extend(code.to_ne_bytes());
        for aim in aims {
            let to = match aim {
                Aim::Next => at + 1,
                Aim::Allow => allow,
                Aim::Refuse => refuse,
            };
            bytes.push(u8::try_from(to - at - 1).ok()?);
        }
        bytes.extend(value.to_ne_bytes());
    }
    for value in [REFUSE, ALLOW] {
        bytes.extend(RETURN.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(value.to_ne_bytes());
    }
    Some(bytes)
}

/// The filter in a pipe that a child inherits.
pub(super) fn filter() -> io::Result<Option<PipeReader>> {
    let Some(program) = program() else { return Ok(None) };
    let (reader, mut writer) = io::pipe()?;
    // Some hundred bytes: a pipe holds them.
    writer.write_all(&program)?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    Ok(Some(reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter says of a call, by the rules of its machine.
    fn says(program: &[u8], machine: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut held) = (0, 0);
        loop {
            let step = &program[at * 8..at * 8 + 8];
            let code = u16::from_ne_bytes([step[0], step[1]]);
            let value = u32::from_ne_bytes([step[4], step[5], step[6], step[7]]);
            let is = match code {
                LOAD => {
                    held = match value {
                        NUMBER => number,
                        MACHINE => machine,
                        _ => argument,
                    };
                    true
                }
                IF_EQUAL => held == value,
                IF_NOT_LESS => held >= value,
                _ => return value,
            };
            at += 1 + usize::from(if is { step[2] } else { step[3] });
        }
    }

    #[test]
    fn a_filter_refuses_what_it_names_and_nothing_else() {
        let Some((machine, socket, refused)) = ARCHITECTURE else { return };
        let program = program().unwrap();
        for call in refused {
            assert_eq!(says(&program, machine, call, 0), REFUSE, "{call}");
        }
        for call in (0..500).filter(|call| *call != socket && !refused.contains(call)) {
            assert_eq!(says(&program, machine, call, 40), ALLOW, "{call}");
        }
        for family in 0..50 {
            let expected = if FAMILIES.contains(&family) { ALLOW } else { REFUSE };
            assert_eq!(says(&program, machine, socket, family), expected, "{family}");
        }
        assert_eq!(says(&program, machine ^ 1, 0, 0), REFUSE);
        assert_eq!(says(&program, machine, OTHER_INTERFACE + 1, 0), REFUSE);
    }
}
