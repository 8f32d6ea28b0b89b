//! Peak memory of whole processes: reading a large context, loading a model, projecting. Linux only: the kernel counts.
//!
//! A test starts itself again as a child that does one thing and prints by how many bytes its peak grew. What a projection
//! allocates is counted by the allocator, for all threads together.

#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use avp::kv::KvHeader;
use avp::model::{Context, Device, LoadOptions, Model};
use avp::transfer::{ProjectOptions, Table, project_vocab};
use avp::wire::{DataType, Encoder, Limits, Metadata, PayloadType};

/// What the child is to do; its argument is a path.
const TASK: &str = "AVP_MEMORY_TASK";
const MIB: u64 = 1 << 20;

/// Most that projecting may allocate beside its arguments, results included, whatever the vocabulary and the number of states:
/// 16 MiB of logits, and results, [1000, 896] in f32, of 3.4 MiB; the rest is for the threads' own pieces.
const PROJECTION_BOUND: u64 = 24 * MIB;
/// States that are projected.
const STATES: usize = 1000;
/// Rows and columns of the matrix that they go through: Qwen2.5-0.5B's, which is head and embedding at once.
const HEAD: [usize; 2] = [150_000, 896];

/// The system's allocator, with a count of what is held and of the most that ever was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn taken(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call goes to `System` with its arguments unchanged; the counters are plain numbers that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

/// AVP-PRJ: memory does not grow with the product of states and vocabulary, which would be 572 MiB here.
#[test]
fn a_projection_takes_a_bounded_amount() -> Result<(), Box<dyn Error>> {
    let [rows, width] = HEAD;
    if std::env::var_os(TASK).is_some() {
        // Any numbers; a generator of two lines instead of a file of half a gigabyte.
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let head: Vec<f32> = (0..rows * width).map(|_| next()).collect();
        let states: Vec<f32> = (0..STATES * width).map(|_| next()).collect();
        let table = Table { values: &head, dim: width };
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let options = ProjectOptions { target_norm: Some(1.0), ..ProjectOptions::default() };
        let made = project_vocab(&states, table, table, true, &options)?;
        let grown = PEAK.load(Ordering::Relaxed) - before;
        println!("grown={grown} size={}", made.values.len());
        return Ok(());
    }
    if cfg!(debug_assertions) {
        eprintln!("skipped: 540 thousand million operations take too long without optimisation");
        return Ok(());
    }
    let [grown, values] = child("a_projection_takes_a_bounded_amount", "project")?;
    eprintln!(
        "projecting {STATES} states through {rows} × {width} allocates {:.1} MiB",
        grown as f64 / MIB as f64
    );
    assert_eq!(values, (STATES * width) as u64);
    assert!(grown <= PROJECTION_BOUND, "{grown} bytes");
    // It is the logits that are bounded: one block of them is there.
    assert!(grown >= 4 * MIB, "{grown} bytes: nothing was counted");
    Ok(())
}
