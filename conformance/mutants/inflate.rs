//! Decoders that inflate in a wrong way on purpose.

use crate::decoder::{restore_header, rewrite, wire_of};
use crate::{Mutant, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "decode-lz4-named-accepted",
        "obeys the flag and never reads field 11",
        ask | frame | {
            rewrite(frame, |wire| wire.drop_field(11));
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-second-frame-dropped",
        "stops at the end of the first zstd frame",
        ask | frame | {
            rewrite(frame, |wire| {
                if wire.flags & 1 != 0
                    && let Ok(len) = zstd::zstd_safe::find_frame_compressed_size(&wire.section)
                {
                    wire.section.truncate(len);
                }
            });
        },
        tell | asked,
        told | {
            restore_header(asked, told);
        }
    ),
    mutant!(
        "decode-size-required",
        "refuses frames without a content size",
        tell | asked,
        told | {
            if let Some(wire) = wire_of(asked)
                && wire.flags & 1 != 0
                && matches!(zstd::zstd_safe::get_frame_content_size(&wire.section), Ok(None))
            {
                told.become_err("decode");
            }
        }
    ),
    mutant!(
        "decode-claim-allocated",
        "allocates what the header announces before it looks at the input",
        ask | frame | {
            if frame.op() == "decode"
                && let Some(message) = frame.part("message")
                && message.len() == 12
            {
                let claim = u32::from_le_bytes([message[4], message[5], message[6], message[7]]) as usize;
                // A quarter of the claim is enough to be seen, and keeps the host alive.
                std::hint::black_box(vec![1u8; (claim / 4).min(1 << 28)]);
            }
        }
    ),
];
