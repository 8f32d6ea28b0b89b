//! Where the map of a pair comes from, and which file is used (AVP-MAP-010).

use std::sync::Arc;

use avp::Result;
use avp::model::{Connector as _, Runtime};
use avp::session::ProjectionMethod;
use avp::transfer::{MapOrigin, MapRegistry, SharedTokens};

use super::{Outcome, assert_close, crossing, pocket, renamed, think, write};

#[test]
fn maps_come_from_memory_then_disk() -> Outcome {
    let folder = tempfile::tempdir()?;
    let at = || MapRegistry::located(Some(folder.path().into()), None).map(Arc::new);
    let source = Arc::new(pocket("pocket-a")?);
    let context = think(&source, 1, 1)?;
    let origin = |target: &Runtime| -> Result<Option<MapOrigin>> {
        Ok(write(target, crossing(&source, context.clone()))?.transfer.map(|transfer| transfer.origin))
    };
    let target = pocket("pocket-b")?.with_maps(at()?);
    assert_eq!(origin(&target)?, Some(MapOrigin::Calibrated));
    assert_eq!(origin(&target)?, Some(MapOrigin::Memory));
    let target = pocket("pocket-b")?.with_maps(at()?);
    assert_eq!(origin(&target)?, Some(MapOrigin::Disk));
    assert_eq!(origin(&target)?, Some(MapOrigin::Memory));
    // The file of other weights under the same hashes, as a fine-tuned model's would be.
    let (hash, own) = (&source.identity().model_hash, &target.identity().model_hash);
    let mut map = at()?.load(hash, own)?.ok_or("no file")?;
    map.w_map[7] += 1.0;
    at()?.save(&map)?;
    let target = pocket("pocket-b")?.with_maps(at()?);
    let made = write(&target, crossing(&source, context.clone()))?;
    let transfer = made.transfer.ok_or("no transfer")?;
    assert!(matches!(transfer.origin, MapOrigin::Replaced(_)), "{:?}", transfer.origin);
    assert_eq!(made.diagnostics.warnings.len(), 1);
    map.w_map[7] -= 1.0;
    assert!((at()?.load(hash, own)?.ok_or("no file")?.w_map[7] - map.w_map[7]).abs() < 1e-6);
    Ok(())
}

/// Hashes of two models say nothing of their tokens, and a file's ids are whatever it holds.
#[test]
fn ids_of_a_file_are_held_against_both_vocabularies() -> Outcome {
    let folder = tempfile::tempdir()?;
    let at = || MapRegistry::located(Some(folder.path().into()), None).map(Arc::new);
    let source = Arc::new(pocket("pocket-a")?);
    let context = think(&source, 1, 1)?;
    let tokens = renamed(&pocket("pocket-b")?, |id| id % 3 == 0)?;
    let target =
        || -> Result<Runtime> { Ok(pocket("pocket-b")?.with_vocabulary(tokens.clone()).with_maps(at()?)) };
    let right = write(&target()?, crossing(&source, context.clone()))?.transfer.ok_or("no transfer")?;
    assert_eq!((right.method, &right.origin), (ProjectionMethod::VocabOverlap, &MapOrigin::Calibrated));
    let (hash, own) = (source.identity().model_hash.clone(), target()?.identity().model_hash.clone());
    let file = at()?.load(&hash, &own)?.ok_or("no file")?;
    let permuted = |ids: &mut SharedTokens| ids.source_ids.swap(0, 1);
    let beyond = |ids: &mut SharedTokens| ids.source_ids[0] = 1 << 20;
    let shifted = |ids: &mut SharedTokens| ids.source_ids.rotate_left(1);
    let changes: [&dyn Fn(&mut SharedTokens); 3] = [&permuted, &beyond, &shifted];
    for change in changes {
        let mut map = file.clone();
        change(map.shared.as_mut().ok_or("no ids")?);
        at()?.save(&map)?;
        let made = write(&target()?, crossing(&source, context.clone()))?;
        let transfer = made.transfer.ok_or("no transfer")?;
        assert!(matches!(&transfer.origin, MapOrigin::Replaced(_)), "{:?}", transfer.origin);
        assert_eq!((transfer.injected, made.diagnostics.warnings.len()), (right.injected.clone(), 1));
        assert_eq!(at()?.load(&hash, &own)?.as_ref(), Some(&file));
    }
    // Rows and ids in another order are the same map.
    let mut turned = file.clone();
    let shared = turned.shared.as_mut().ok_or("no ids")?;
    shared.source_ids.reverse();
    shared.target_ids.reverse();
    let width = file.target.dim;
    turned.w_map = file.w_map.rchunks_exact(width).flatten().copied().collect();
    at()?.save(&turned)?;
    let transfer = write(&target()?, crossing(&source, context.clone()))?.transfer.ok_or("no transfer")?;
    assert_eq!(transfer.origin, MapOrigin::Disk);
    let expected: Vec<f64> = right.injected.iter().map(|&value| value.into()).collect();
    assert_close(&transfer.injected, &expected);

    // The same hashes, and another tokenizer on either side: in memory and on the disk alike.
    let held = target()?;
    assert_eq!(
        write(&held, crossing(&source, context.clone()))?.transfer.ok_or("none")?.origin,
        MapOrigin::Disk
    );
    let others = renamed(&source, |id| id % 5 == 0)?;
    let other = Arc::new(pocket("pocket-a")?.with_vocabulary(others));
    let made = write(&held, crossing(&other, context.clone()))?.transfer.ok_or("no transfer")?;
    assert!(matches!(made.origin, MapOrigin::Replaced(_)), "{:?}", made.origin);
    assert_eq!(
        write(&held, crossing(&other, context.clone()))?.transfer.ok_or("none")?.origin,
        MapOrigin::Memory
    );
    let plain = pocket("pocket-b")?.with_maps(at()?);
    let made = write(&plain, crossing(&source, context))?.transfer.ok_or("no transfer")?;
    assert!(matches!(made.origin, MapOrigin::Replaced(_)), "{:?}", made.origin);
    assert_eq!(made.method, ProjectionMethod::VocabMediated);
    Ok(())
}
