//! Peak memory of whole processes: reading a large context, and loading a model. Linux only: the kernel counts.
//!
//! A test starts itself again as a child that does one thing and prints by how many bytes its peak grew.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use avp::kv::KvHeader;
use avp::model::{Context, Device, LoadOptions, Model};
use avp::wire::{DataType, Encoder, Limits, Metadata, PayloadType};

/// What the child is to do; its argument is a path.
const TASK: &str = "AVP_MEMORY_TASK";
const MIB: u64 = 1 << 20;

/// Bytes of resident memory: now, or the most since the last reset.
fn resident(key: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(key)).ok_or("no such line")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib << 10)
}

/// The child's side: by how much the peak grew while it did its task.
fn growth(task: impl FnOnce() -> Result<u64, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    // Resets the peak to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = resident("VmRSS:")?;
    let size = task()?;
    let grown = resident("VmHWM:")?.saturating_sub(before);
    println!("grown={grown} size={size}");
    Ok(())
}

/// The parent's side: growth and size that the child of that name told.
fn child(name: &str, task: &str) -> Result<[u64; 2], Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(TASK, task)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let number =
        |key: &str| -> Option<u64> { text.split(key).nth(1)?.split_whitespace().next()?.parse().ok() };
    number("grown=")
        .zip(number("size="))
        .map(|(grown, size)| [grown, size])
        .ok_or_else(|| format!("the child said: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A context of 28 layers × [4, seq_len, 128], written piece by piece: 390 MiB in bfloat16 for 7,131 tokens.
fn write_context(path: &Path, element: DataType, seq_len: u32) -> Result<u64, Box<dyn Error>> {
    let header =
        KvHeader { num_layers: 28, num_kv_heads: 4, head_dim: 128, seq_len, dtype: element.try_into()? };
    let tensors = header.data_bytes().ok_or("too large")?;
    let metadata = Metadata {
        hidden_dim: 3584,
        num_layers: 28,
        payload_type: PayloadType::KvCache,
        dtype: element,
        extra: BTreeMap::from([("num_steps".to_owned(), "20".to_owned())]),
        ..Metadata::default()
    };
    let zeros = vec![0; MIB as usize];
    let (whole, rest) = (tensors / MIB, (tensors % MIB) as usize);
    let head = header.write();
    let mut pieces: Vec<&[u8]> = vec![&head];
    pieces.extend((0..whole).map(|_| &zeros[..]));
    pieces.push(&zeros[..rest]);
    let mut file = std::fs::File::create(path)?;
    file.write_all(&Encoder::new().head_for_pieces(&metadata, &pieces)?)?;
    for piece in pieces {
        file.write_all(piece)?;
    }
    Ok(tensors)
}

#[test]
fn a_context_takes_its_size_once() -> Result<(), Box<dyn Error>> {
    let limits = Limits { max_message: 1 << 30, max_payload: 1 << 30, ..Limits::default() };
    if let Ok(task) = std::env::var(TASK) {
        let (kind, path) = task.split_once(':').ok_or("no task")?;
        return match kind {
            "file" => growth(|| {
                let context = Context::open(Path::new(path), limits)?.context;
                Ok((context.seq_len() as u64) * 28 * 2 * 4 * 128 * 2)
            }),
            _ => {
                // The caller's own bytes are there before.
                let bytes = std::fs::read(path)?;
                growth(|| {
                    let context = Context::from_bytes(&bytes, limits)?.context;
                    Ok((context.seq_len() as u64) * 28 * 2 * 4 * 128 * 2)
                })
            }
        };
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("context.avp");
    let size = write_context(&path, DataType::BFloat16, 7131)?;
    assert!(size > 389 * MIB && size < 391 * MIB, "{size}");
    for kind in ["file", "bytes"] {
        let task = format!("{kind}:{}", path.display());
        let [grown, told] = child("a_context_takes_its_size_once", &task)?;
        assert_eq!(told, size);
        let ratio = grown as f64 / size as f64;
        eprintln!("a context of {} MiB from {kind} takes {ratio:.3} of its size", size / MIB);
        assert!(ratio <= 1.1, "{kind}: {grown} bytes for a context of {size}");
    }
    Ok(())
}

#[test]
fn a_model_is_loaded_without_a_second_copy() -> Result<(), Box<dyn Error>> {
    let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
    if let Ok(path) = std::env::var(TASK) {
        return growth(|| {
            let model = Model::open(Path::new(&path), options, &mut |_, _| ())?;
            let config = model.config();
            let (hidden, heads) = (config.hidden_size, config.num_heads * config.head_dim);
            let block = 2 * hidden * (heads + config.kv_width()) + 3 * hidden * config.intermediate_size;
            let matrices = config.vocab_size * hidden * if config.tied() { 1 } else { 2 };
            Ok(4 * (matrices + config.num_layers * block) as u64)
        });
    }
    let Some(path) = std::env::var_os("AVP_SMOLLM2") else {
        eprintln!("skipped: AVP_SMOLLM2 does not name a model; see the head of tests/oracle.rs");
        return Ok(());
    };
    let [grown, size] = child("a_model_is_loaded_without_a_second_copy", &path.to_string_lossy())?;
    let ratio = grown as f64 / size as f64;
    eprintln!("loading weights of {} MiB takes {ratio:.3} of their size", size / MIB);
    assert!(ratio <= 1.3, "{grown} bytes for weights of {size}");
    Ok(())
}
