//! containerd's root with the images of every site in it, made once and linked into each new site.
//!
//! Importing half a gigabyte takes a site longer than all else together; linking files that nobody writes to takes a
//! moment. Holds the making and the linking; what the images are is in `images`. Called by `up`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cache::{Cache, Inputs};
use super::command::Commands;
use super::images::Images;
use super::place::{SiteDirectory, StateDirectory};
use super::unit::Need;
use super::{files, mounts, site};

/// What containerd changes in place; everything else in its root is written once and only ever removed.
const CHANGED_IN_PLACE: [&str; 2] = [
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
];

/// The prepared root for these images; made when it is not there.
pub(crate) fn ensure(
    cache: &Cache,
    images: &Images,
    state: &StateDirectory,
    commands: &Commands,
) -> Result<PathBuf> {
    let mut inputs = Inputs::default().text(&commands.run("containerd", &["--version"])?);
    for image in all(images) {
        inputs = inputs.text(&site::image_identity(image)?);
    }
    cache.artifact("image-store", inputs, |path| {
        let workshop = state.path().join("images");
        mounts::unmount_below(&workshop)?;
        files::remove(&workshop)?;
        make(&workshop, images, commands)?;
        if fs::rename(workshop.join("root"), path).is_err() {
            // The cache is on another filesystem.
            commands.run(
                "cp",
                &[Path::new("--archive"), &workshop.join("root"), path],
            )?;
        }
        files::remove(&workshop)
    })
}

/// The images of every site.
pub(crate) fn all(images: &Images) -> [&Path; 4] {
    [
        &images.pause,
        &images.client,
        &images.postgres,
        &images.mariadb,
    ]
}

fn make(workshop: &Path, images: &Images, commands: &Commands) -> Result<()> {
    let root = workshop.join("root");
    let socket = workshop.join("containerd.sock");
    let configuration = workshop.join("containerd.toml");
    let text = format!(
        "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{}\"\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{}\"\n",
        root.display(),
        workshop.join("state").display(),
        socket.display(),
        workshop.join("opt").display(),
    );
    files::write(&configuration, text)?;
    let log = fs::File::create(workshop.join("log"))?;
    let containerd = commands
        .command("containerd")
        .arg("--config")
        .arg(&configuration)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start containerd")?;
    let imported = import(&socket, &root, images, commands);
    stop(containerd)?;
    imported
}

fn import(socket: &Path, root: &Path, images: &Images, commands: &Commands) -> Result<()> {
    let answers = Need::Socket(socket.to_owned());
    let deadline = Instant::now() + Duration::from_mins(1);
    site::wait(deadline, "containerd", || {
        Ok(answers.is_met().then_some(()))
    })?;
    all(images)
        .into_iter()
        .try_for_each(|image| site::load_image(socket, root, image, commands))
}

fn stop(mut containerd: Child) -> Result<()> {
    super::processes::send(
        containerd.id().cast_signed(),
        nix::sys::signal::Signal::SIGTERM,
    )?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while containerd.try_wait()?.is_none() {
        if Instant::now() > deadline {
            containerd.kill()?;
            containerd.wait()?;
            bail!("containerd did not end by itself, so what it wrote is not trusted");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Give a site a root with the images in it, unless it has a root.
pub(crate) fn link(prepared: &Path, directory: &SiteDirectory, commands: &Commands) -> Result<()> {
    let root = directory.containerd_root();
    if root.exists() {
        return Ok(());
    }
    let partial = root.with_extension("partial");
    files::remove(&partial)?;
    fs::create_dir_all(directory.containerd())?;
    let linked = commands.run(
        "cp",
        &[
            Path::new("--archive"),
            Path::new("--link"),
            prepared,
            &partial,
        ],
    );
    if linked.is_err() {
        // The cache is on another filesystem.
        files::remove(&partial)?;
        commands.run("cp", &[Path::new("--archive"), prepared, &partial])?;
    }
    for name in CHANGED_IN_PLACE {
        let file = partial.join(name);
        let own = file.with_extension("own");
        fs::copy(&file, &own).with_context(|| format!("cannot copy {}", file.display()))?;
        fs::rename(&own, &file)?;
    }
    fs::rename(&partial, &root).with_context(|| format!("cannot create {}", root.display()))
}
