//! Container images from Debian packages, made without a container daemon: an OCI layout in a tar file each.
//!
//! Holds what is in each image. `up` loads pause, postgres, mariadb and client; the refloat image is made of a built binary.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure as must};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cache::{Cache, Inputs};
use super::tools::{self, Tools};
use crate::printer::say;

pub(crate) const PAUSE_NAME: &str = "refloat.local/pause:1";
pub(crate) const POSTGRES_NAME: &str = "refloat.local/postgres:15";
pub(crate) const MARIADB_NAME: &str = "refloat.local/mariadb:10.11";
const CLIENT_NAME: &str = "refloat.local/client:1";
const REFLOAT_NAME: &str = "refloat.local/refloat:dev";
const PACKAGES: &str = "ca-certificates,postgresql-15,postgresql-client-15,mariadb-server-core,mariadb-client,redis-server,etcd-server";
/// Directories of the Debian tree that no container needs.
const LEFT_OUT: &[&str] = &[
    "./boot",
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/man",
    "./var/cache/apt/archives",
    "./var/lib/apt/lists",
    "./var/lib/postgresql/15",
    "./usr/share/mysql/mysql-test",
];
/// Libraries that glibc loads by name to resolve names, which `ldd` does not show.
const NAME_SERVICE: &[&str] = &["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/// Where every image's file lies.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    pub(crate) pause: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) mariadb: PathBuf,
    pub(crate) client: PathBuf,
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let said = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    must!(
        said.status.success(),
        "{name} failed: {}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// A tree as a tar file: sorted, owners by number, one fixed time.
fn tar(tree: &Path, to: &Path, left_out: &[&str]) -> Result<()> {
    let mut command = Command::new("tar");
    command
        .args([
            "--create",
            "--sort=name",
            "--mtime=@0",
            "--numeric-owner",
            "--file",
        ])
        .arg(to);
    for path in left_out {
        command.arg(format!("--exclude={path}"));
    }
    run(command.arg("--directory").arg(tree).arg("."))?;
    Ok(())
}

fn digest(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex::encode(hash.finalize()), size));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

/// An OCI layout (image-spec 1.0) of these layers, as one tar file.
pub(super) fn layout(name: &str, layers: &[&Path], config: &Value, to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().context("no directory")?)?;
    let blobs = work.path().join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let mut descriptors = Vec::new();
    let mut differences = Vec::new();
    for layer in layers {
        let (sha, size) = digest(layer)?;
        let blob = blobs.join(&sha);
        if fs::hard_link(layer, &blob).is_err() {
            fs::copy(layer, &blob)?;
        }
        descriptors.push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": format!("sha256:{sha}"), "size": size,
        }));
        differences.push(format!("sha256:{sha}"));
    }
    let blob = |value: &Value, kind: &str| -> Result<Value> {
        let bytes = serde_json::to_vec(value)?;
        let sha = hex::encode(Sha256::digest(&bytes));
        fs::write(blobs.join(&sha), &bytes)?;
        Ok(json!({ "mediaType": kind, "digest": format!("sha256:{sha}"), "size": bytes.len() }))
    };
    let config = blob(
        &json!({
            "architecture": "amd64", "os": "linux", "config": config,
            "rootfs": { "type": "layers", "diff_ids": differences },
        }),
        "application/vnd.oci.image.config.v1+json",
    )?;
    let mut manifest = blob(
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": descriptors,
        }),
        "application/vnd.oci.image.manifest.v1+json",
    )?;
    manifest["annotations"] = json!({
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
    });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(work.path().join("index.json"), serde_json::to_vec(&index)?)?;
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    fs::write(
        work.path().join("oci-layout"),
        serde_json::to_vec(&version)?,
    )?;
    tar(work.path(), to, &[])
}

/// The mirror that this machine's apt uses.
fn mirror() -> Result<String> {
    let said = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE)",
        "Created-By: Packages",
    ]))?;
    said.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, release)| *release == "bookworm")
        .map(|(site, _)| site.to_owned())
        .context("apt on this machine has no source for Debian bookworm")
}

/// Servers whose images are this layer with an entrypoint each.
const SERVERS: [&str; 2] = ["postgres", "mariadb"];

fn entrypoint(server: &str) -> PathBuf {
    tools::folder().join(format!("images/{server}/entrypoint.sh"))
}

/// Debian with PostgreSQL, MariaDB, Redis and etcd: the layer that the servers and the client share.
fn debian_layer(cache: &Cache) -> Result<PathBuf> {
    let inputs = Inputs::default()
        .text(PACKAGES)
        .text(&LEFT_OUT.join(","))
        .text("2")
        .file(&entrypoint(SERVERS[0]))?
        .file(&entrypoint(SERVERS[1]))?;
    cache.artifact("debian.tar", inputs, |path| {
        say("making the Debian layer with its database servers (about a minute)");
        let work = tempfile::tempdir_in(path.parent().context("no directory")?)?;
        let tree = work.path().join("tree");
        run(Command::new("debootstrap")
            .args([
                "--variant=minbase",
                &format!("--include={PACKAGES}"),
                "bookworm",
            ])
            .arg(&tree)
            .arg(mirror()?)
            .env("DEBIAN_FRONTEND", "noninteractive"))?;
        for server in SERVERS {
            let script = tree.join(format!("usr/local/bin/{server}-entrypoint"));
            fs::copy(entrypoint(server), &script)?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        }
        // The account that Debian makes with the packages around the server, which are left out.
        let useradd = ["--root", "--system", "--no-create-home", "mysql"];
        let mut command = Command::new("useradd");
        command.arg(useradd[0]).arg(&tree).args(&useradd[1..]);
        run(&mut command)?;
        for program in ["psql", "pg_isready", "pg_amcheck", "pgbench", "pg_dump"] {
            let link = tree.join("usr/local/bin").join(program);
            let target = format!("/usr/lib/postgresql/15/bin/{program}");
            if tree.join(&target[1..]).exists() && !link.exists() {
                std::os::unix::fs::symlink(target, link)?;
            }
        }
        tar(&tree, path, LEFT_OUT)
    })
}

fn path_variable() -> Value {
    json!([
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8"
    ])
}

/// A layer of single files: where from, where to.
pub(super) fn file_layer(files: &[(PathBuf, String)], to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().context("no directory")?)?;
    for (from, place) in files {
        let target = work.path().join(place.trim_start_matches('/'));
        fs::create_dir_all(target.parent().context("no directory")?)?;
        fs::copy(from, &target).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for (directory, mode) in [("tmp", 0o1777), ("etc", 0o755)] {
        let directory = work.path().join(directory);
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode))?;
    }
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))?;
    tar(work.path(), to, &[])
}

/// Makes what is missing and tells where every image lies.
pub(crate) fn ensure(cache: &Cache, tools: &Tools) -> Result<Images> {
    let pause = cache.artifact("pause.tar", Inputs::default().file(&tools.pause)?, |path| {
        let layer = path.with_extension("layer");
        file_layer(&[(tools.pause.clone(), "/pause".to_owned())], &layer)?;
        let config = json!({ "Entrypoint": ["/pause"] });
        layout(PAUSE_NAME, &[&layer], &config, path)?;
        Ok(fs::remove_file(layer)?)
    })?;
    let debian = debian_layer(cache)?;
    let identity = Inputs::default()
        .text(&debian.display().to_string())
        .text("1");
    let postgres = cache.artifact("postgres.tar", identity.clone(), |path| {
        let config = json!({
            "Entrypoint": ["/usr/local/bin/postgres-entrypoint"],
            "Env": path_variable(), "StopSignal": "SIGINT",
        });
        layout(POSTGRES_NAME, &[&debian], &config, path)
    })?;
    let mariadb = cache.artifact("mariadb.tar", identity.clone(), |path| {
        let config = json!({
            "Entrypoint": ["/usr/local/bin/mariadb-entrypoint"],
            "Env": path_variable(), "StopSignal": "SIGTERM",
        });
        layout(MARIADB_NAME, &[&debian], &config, path)
    })?;
    let inputs = identity.text(&tools.kubectl.display().to_string());
    let client = cache.artifact("client.tar", inputs, |path| {
        let layer = path.with_extension("layer");
        let files = [(tools.kubectl.clone(), "/usr/local/bin/kubectl".to_owned())];
        file_layer(&files, &layer)?;
        let config = json!({ "Cmd": ["sleep", "infinity"], "Env": path_variable() });
        layout(CLIENT_NAME, &[&debian, &layer], &config, path)?;
        Ok(fs::remove_file(layer)?)
    })?;
    Ok(Images {
        pause,
        postgres,
        mariadb,
        client,
    })
}

/// The image that movers run: the binary and the libraries that it loads.
pub(crate) fn refloat(cache: &Cache, binary: &Path) -> Result<PathBuf> {
    let inputs = Inputs::default().file(binary)?.text("1");
    cache.artifact("refloat.tar", inputs, |path| {
        let layer = path.with_extension("layer");
        let stripped = path.with_extension("stripped");
        // Without debug information the image is a third; a machine without strip gets the whole.
        if run(Command::new("strip").arg("-o").arg(&stripped).arg(binary)).is_err() {
            fs::copy(binary, &stripped)?;
        }
        let mut files = vec![(stripped.clone(), "/usr/bin/refloat".to_owned())];
        for library in libraries(binary)? {
            files.push((library.clone(), library.display().to_string()));
        }
        let certificates = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
        if certificates.exists() {
            let place = certificates.display().to_string();
            files.push((certificates, place));
        }
        file_layer(&files, &layer)?;
        let config = json!({ "Entrypoint": ["/usr/bin/refloat"], "Env": path_variable() });
        layout(REFLOAT_NAME, &[&layer], &config, path)?;
        fs::remove_file(stripped)?;
        Ok(fs::remove_file(layer)?)
    })
}

/// The shared libraries of a program, with the loader, and those that resolve names.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let said = run(Command::new("ldd").arg(binary))?;
    let mut found: Vec<PathBuf> = said
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    let Some(beside) = found
        .iter()
        .find(|path| path.ends_with("libc.so.6"))
        .and_then(|path| path.parent())
        .map(Path::to_owned)
    else {
        bail!("{} does not load a libc: {said}", binary.display());
    };
    for name in NAME_SERVICE {
        let path = beside.join(name);
        if path.exists() {
            found.push(path);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
