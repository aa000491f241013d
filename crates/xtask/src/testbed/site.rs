//! Bringing one site up until all of it is Ready.
//!
//! Each step looks at what is there and makes what is missing, so that it can be run at any time. Called by `up`, for both
//! sites at once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::command::{self, Commands};
use super::configuration::{self, Facts};
use super::images::{self, Images};
use super::place::{Place, Site, SiteDirectory, StateDirectory};
use super::record::Record;
use super::tools::Tools;
use super::unit::{self, Need, Unit};
use super::units::{API_MILESTONE, SNAPSHOT_KINDS_MILESTONE};
use super::{
    certificates, control_groups, files, image_store, leftovers, lock, mounts, network, readiness,
    units,
};

/// A site comes up in half a minute when warm; on a machine that is busy with other work it may take this long.
const UP_TIME_MAX: Duration = Duration::from_mins(4);
const POOL_BYTES: u64 = 24 << 30;
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// What bringing a site up needs to know.
pub(crate) struct SiteUp<'a> {
    /// The testbed.
    pub(crate) state: &'a StateDirectory,
    /// What was chosen for it.
    pub(crate) record: &'a Record,
    /// The programs.
    pub(crate) tools: &'a Tools,
    /// The images every site has.
    pub(crate) images: &'a Images,
    /// containerd's root with these images.
    pub(crate) image_store: &'a Path,
    /// The manifests every site has.
    pub(crate) manifests: &'a Path,
    /// How to run programs.
    pub(crate) commands: &'a Commands,
}

impl SiteUp<'_> {
    /// Bring a site up.
    pub(crate) fn ensure(&self, site: Site) -> Result<()> {
        let deadline = Instant::now() + UP_TIME_MAX;
        let directory = self.state.site(site);
        files::remove(&directory.killed())?;
        self.connect(site)?;
        certificates::ensure(&directory.keys(), site, self.record.addresses)?;
        configuration::write(Facts {
            state: self.state,
            site,
            addresses: self.record.addresses,
            pause_image: images::PAUSE_NAME,
        })?;
        self.ensure_directories(&directory)?;
        image_store::link(self.image_store, &directory, self.commands)?;
        self.ensure_pool(&directory)?;
        control_groups::ensure(&format!("{}/{site}", self.state.cgroup()))?;
        let units = units::of_site(self.state, site, self.record, self.tools);
        replace_units(self.state, Place::Site(site), &units)?;
        thread::scope(|scope| {
            let loading = scope.spawn(|| self.load_images(&directory, deadline));
            self.ensure_kinds(site, &directory, deadline)?;
            loading
                .join()
                .map_err(|_| anyhow::anyhow!("loading images failed by a panic"))?
        })?;
        self.wait_until_ready(site, &directory, &units, deadline)
    }

    /// Join the site to the network; what runs in a network that was lost cannot be reached again.
    fn connect(&self, site: Site) -> Result<()> {
        let place = Place::Site(site);
        let addresses = self.record.addresses;
        if network::is_connected(self.state, place, addresses.of(place), self.commands)? {
            return Ok(());
        }
        replace_units(self.state, place, &[])?;
        leftovers::kill_processes(self.state, Some(place))?;
        leftovers::sweep_site(self.state, site, self.commands)?;
        network::connect(self.state, place, addresses, self.commands)
    }

    fn ensure_directories(&self, directory: &SiteDirectory) -> Result<()> {
        let kubelet = directory.kubelet();
        let paths = [
            directory.disks(),
            directory.pool(),
            directory.logs(),
            directory.pod_logs(),
            directory.pod_addresses(),
            kubelet.join("plugins"),
            kubelet.join("plugins_registry"),
            directory.configuration().join("registries"),
        ];
        for path in paths {
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        let link = self.state.programs().join("kubectl");
        if fs::read_link(&link).ok().as_ref() != Some(&self.tools.kubectl) {
            fs::create_dir_all(self.state.programs())?;
            files::remove(&link)?;
            // The other site's thread may have made the same link at this moment.
            drop(std::os::unix::fs::symlink(&self.tools.kubectl, &link));
        }
        Ok(())
    }

    fn ensure_pool(&self, directory: &SiteDirectory) -> Result<()> {
        let pool = directory.pool();
        if mounts::is_mounted(&pool)? {
            return Ok(());
        }
        let image = directory.pool_image();
        if !image.exists() {
            let partial = image.with_extension("partial");
            files::remove(&partial)?;
            fs::File::create_new(&partial)
                .and_then(|file| file.set_len(POOL_BYTES))
                .with_context(|| format!("cannot create {}", partial.display()))?;
            self.commands
                .run("mkfs.btrfs", &[Path::new("--quiet"), &partial])?;
            fs::rename(&partial, &image)
                .with_context(|| format!("cannot create {}", image.display()))?;
        }
        let arguments = [Path::new("-o"), Path::new("loop,noatime"), &image, &pool];
        self.commands.run("mount", &arguments)?;
        Ok(())
    }

    fn load_images(&self, directory: &SiteDirectory, deadline: Instant) -> Result<()> {
        let socket = Need::Socket(directory.containerd_socket());
        wait(deadline, "containerd", || Ok(socket.is_met().then_some(())))?;
        for image in image_store::all(self.images) {
            load_image(
                &directory.containerd_socket(),
                &directory.containerd_root(),
                image,
                self.commands,
            )?;
        }
        Ok(())
    }

    /// Wait for the API server and make all that the site's programs wait for.
    fn ensure_kinds(&self, site: Site, directory: &SiteDirectory, deadline: Instant) -> Result<()> {
        let port = Need::Port(self.record.addresses.api_server(site));
        wait(deadline, "the API server", || {
            let ready = port.is_met() && self.kubectl(directory, &["get", "--raw=/readyz"]).is_ok();
            Ok(ready.then_some(()))
        })
        .with_context(|| format!("{site}: see {}", directory.logs().display()))?;
        files::write(&directory.milestone(API_MILESTONE), "")?;
        self.apply(directory, &self.tools.snapshot_crds)?;
        self.kubectl(
            directory,
            &[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "crd",
                "--all",
            ],
        )?;
        files::write(&directory.milestone(SNAPSHOT_KINDS_MILESTONE), "")?;
        wait(
            deadline,
            "the kinds of snapshots to be listed",
            || match self.apply(directory, self.manifests) {
                Err(error) if error.to_string().contains(readiness::NOT_LISTED) => Ok(None),
                ended => ended.map(Some),
            },
        )?;
        self.apply(directory, &directory.configuration().join("dns.json"))
    }

    fn apply(&self, directory: &SiteDirectory, path: &Path) -> Result<()> {
        let how = if path.join("kustomization.yaml").exists() {
            "-k"
        } else {
            "-f"
        };
        let path = path.to_string_lossy();
        let manager = "--field-manager=refloat-testbed";
        self.kubectl(
            directory,
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                manager,
                how,
                &path,
            ],
        )?;
        Ok(())
    }

    fn kubectl(&self, directory: &SiteDirectory, arguments: &[&str]) -> Result<String> {
        let mut command = self.commands.command(&self.tools.kubectl);
        command
            .arg("--kubeconfig")
            .arg(directory.kubeconfig())
            .args(arguments);
        command::output(command)
    }

    fn wait_until_ready(
        &self,
        site: Site,
        directory: &SiteDirectory,
        units: &[Unit],
        deadline: Instant,
    ) -> Result<()> {
        let place = Place::Site(site);
        loop {
            let mut missing = readiness::of_units(self.state, units)?;
            if missing.is_empty() {
                missing = readiness::of_site(self.record.addresses, site, |arguments| {
                    self.kubectl(directory, arguments)
                });
            }
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready: {}; see {}",
                    place.name(),
                    missing.join(", "),
                    directory.logs().display()
                );
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Replace the units of a place while the supervisor is between two turns.
pub(crate) fn replace_units(state: &StateDirectory, place: Place, units: &[Unit]) -> Result<()> {
    let _lock = lock::file(&state.units_lock())?;
    unit::replace(state, place, units)
}

/// Load an image file into the containerd with this socket and root, unless it is there.
pub(crate) fn load_image(
    socket: &Path,
    root: &Path,
    image: &Path,
    commands: &Commands,
) -> Result<()> {
    let note = root.join("loaded").join(image_identity(image)?);
    if note.exists() {
        return Ok(());
    }
    let arguments = [
        Path::new("--address"),
        socket,
        Path::new("--namespace"),
        Path::new("k8s.io"),
        Path::new("images"),
        Path::new("import"),
        image,
    ];
    commands.run("ctr", &arguments)?;
    // Lost with containerd's root.
    files::write(&note, "")
}

/// Another one when the file is another.
pub(crate) fn image_identity(image: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata =
        fs::metadata(image).with_context(|| format!("cannot read {}", image.display()))?;
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!(
        "{name}-{}-{}-{}",
        metadata.ino(),
        metadata.size(),
        metadata.mtime_nsec()
    ))
}

/// Look again and again until something is there.
pub(crate) fn wait<T>(
    deadline: Instant,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what} did not come up in time");
        }
        thread::sleep(LOOK_AGAIN);
    }
}
