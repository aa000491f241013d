//! One step of the mover by itself, timed, with its peak memory: for comparing it with restic.
//!
//! Use: `measure STORE init|save|restore|verify DIRECTORY [SNAPSHOT TREE]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use refloat_mover::{
    Control, Labels, MoverEngine, PartReference, ReadData, RepositoryKey, RusticEngine, SaveRequest,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, step, directory, rest @ ..] = arguments.as_slice() else {
        return Err("measure STORE init|save|restore|verify DIRECTORY [SNAPSHOT TREE]".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let store = Arc::new(LocalFileSystem::new_with_prefix(store)?);
    let key = RepositoryKey::new([7; 32], [8; 16], [9; 16], Some("measure".to_owned()));
    let prefix = ObjectPath::from("vault");
    let engine = RusticEngine::new(store, &prefix, key, runtime.handle().clone());
    let started = Instant::now();
    let line = perform(&engine, step, Path::new(directory), rest)?;
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("unknown")
        .trim();
    say(&format!("{step}: {seconds:.2} s, peak {peak}\n{line}"))
}

fn perform(
    engine: &RusticEngine,
    step: &str,
    directory: &Path,
    rest: &[String],
) -> Result<String, Failure> {
    let control = Control::default();
    let part = || match rest {
        [snapshot, tree] => Ok(PartReference {
            part: "measure".to_owned(),
            snapshot_id: snapshot.clone(),
            tree_id: tree.clone(),
            amount: None,
        }),
        _ => Err("this step needs SNAPSHOT and TREE"),
    };
    Ok(match step {
        "init" => {
            engine.initialise()?;
            String::new()
        }
        "save" => {
            let request = SaveRequest {
                labels: Labels {
                    site: "measure".to_owned(),
                    protection: "measure".to_owned(),
                    run: "measure".to_owned(),
                    part: "measure".to_owned(),
                },
                time: "2030-01-01T00:00:00Z".parse()?,
            };
            let saved = engine.save_tree(&request, directory, &control)?;
            format!(
                "{} {}\n{} files read, {} bytes added",
                saved.snapshot_id, saved.tree_id, saved.files_read, saved.bytes_added
            )
        }
        "restore" => format!(
            "{:?}",
            engine.restore_tree(&part()?, &[], directory, &control)?
        ),
        "verify" => format!("{:?}", engine.verify(&part()?, ReadData::Full, &control)?),
        other => return Err(format!("there is no step {other}").into()),
    })
}

fn say(line: &str) -> Result<(), Failure> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
