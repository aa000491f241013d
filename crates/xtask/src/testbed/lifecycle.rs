//! A testbed as a value: up, down, kill, and what one asks of it in between.
//!
//! Holds the order of the large steps. Called by the `testbed` verb and by every verb that needs real clusters.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::cache::Cache;
use super::command::{Commands, MARKER_PLACE, SEARCH_PATH};
use super::images::{self, Images};
use super::network;
use super::object_store::ObjectStore;
use super::place::{Place, Site, StateDirectory};
use super::record::{Etcd, Record};
use super::site::{self, SiteUp};
use super::tools::{self, Tools};
use super::unit::Need;
use super::{
    files, image_store, leftovers, lock, mounts, packages, processes, readiness, requirements,
    supervisor, units,
};
use crate::printer::say;

/// A testbed that was brought up.
#[derive(Debug, Clone)]
pub(crate) struct Testbed {
    state: StateDirectory,
    record: Record,
    commands: Commands,
}

impl Testbed {
    /// Bring the testbed `name` up until all of it is ready, making only what is missing.
    ///
    /// # Expected flow
    /// Called at any time: first, again, after a killed `up`, after `kill`, after the machine started anew.
    ///
    /// # Guarantees
    /// On success both sites and the S3 server are ready. A site that runs is not disturbed.
    ///
    /// # Caveats
    /// A site that was killed, and everything after a reboot, starts from nothing.
    pub(crate) fn up(name: &str) -> Result<Self> {
        Self::up_with(name, Etcd::Fast)
    }

    /// Bring a testbed up whose etcd writes like this, if it does not exist yet.
    pub(crate) fn up_with(name: &str, etcd: Etcd) -> Result<Self> {
        let state = StateDirectory::of(name)?;
        requirements::check()?;
        packages::ensure()?;
        let cache = Cache::open()?;
        let tools = tools::ensure(&cache)?;
        let images = images::ensure(&cache, &tools)?;
        let start = Instant::now();
        let commands = Commands::new(state.path());
        let lock = lock::directory(state.path())?;
        if Record::read(&state)?.is_some_and(|record| !record.is_of_this_boot().unwrap_or(false)) {
            say("the machine was started anew since: the testbed starts from nothing");
            sweep(&state, &commands)?;
            drop(lock);
            return Self::up_with(name, etcd);
        }
        let record = Record::read_or_choose(&state, &commands, etcd)?;
        let testbed = Self {
            state,
            record,
            commands,
        };
        let store = image_store::ensure(&cache, &images, &testbed.state, &testbed.commands)?;
        testbed.bring_up(&tools, &images, &store)?;
        say(format_args!(
            "testbed {name} is ready after {:.1} s",
            start.elapsed().as_secs_f64()
        ));
        Ok(testbed)
    }

    fn bring_up(&self, tools: &Tools, images: &Images, image_store: &Path) -> Result<()> {
        self.wait_for_orphans()?;
        network::ensure_hub(&self.state, self.record.addresses, &self.commands)?;
        if !supervisor::is_running(&self.state)? {
            for site in Site::ALL {
                files::remove(&self.state.site(site).path().join("milestones"))?;
            }
            files::remove(&self.state.status())?;
            std::fs::create_dir_all(self.state.units())
                .context("cannot create the directory of units")?;
            supervisor::ensure(&self.state, &self.commands)?;
        }
        let manifests = manifests();
        let sites = SiteUp {
            state: &self.state,
            record: &self.record,
            tools,
            images,
            image_store,
            manifests: &manifests,
            commands: &self.commands,
        };
        thread::scope(|scope| {
            let starts = Site::ALL.map(|site| {
                let sites = &sites;
                scope.spawn(move || {
                    let start = Instant::now();
                    sites
                        .ensure(site)
                        .with_context(|| format!("cannot bring {site} up"))?;
                    say(format_args!(
                        "  {site} is ready after {:.1} s",
                        start.elapsed().as_secs_f64()
                    ));
                    Ok(())
                })
            });
            let store = self
                .object_store_up(tools)
                .context("cannot bring the S3 server up");
            let sites = starts.map(|start| {
                start
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("a site's start panicked")))
            });
            sites
                .into_iter()
                .chain([store])
                .collect::<Result<Vec<()>>>()
        })?;
        Ok(())
    }

    /// Wait for the last command of an `up` that was killed, lest both mount the same.
    fn wait_for_orphans(&self) -> Result<()> {
        let own = self.state.path().to_string_lossy();
        let deadline = Instant::now() + Duration::from_secs(30);
        site::wait(deadline, "the end of an earlier `up`", || {
            let busy = processes::all()?.into_iter().any(|process| {
                process.marks.state.as_deref() == Some(&*own)
                    && ["mount", "mkfs.btrfs", "unshare", "ip"].contains(&process.program.as_str())
            });
            Ok((!busy).then_some(()))
        })
    }

    fn object_store_up(&self, tools: &Tools) -> Result<()> {
        let addresses = self.record.addresses;
        if !network::is_connected(
            &self.state,
            Place::S3,
            addresses.of(Place::S3),
            &self.commands,
        )? {
            site::replace_units(&self.state, Place::S3, &[])?;
            leftovers::kill_processes(&self.state, Some(Place::S3))?;
            network::connect(&self.state, Place::S3, addresses, &self.commands)?;
        }
        let store = ObjectStore::ensure(&self.state, addresses)?;
        let units = units::of_object_store(&self.state, addresses, &store, tools);
        site::replace_units(&self.state, Place::S3, &units)?;
        let deadline = Instant::now() + Duration::from_mins(1);
        site::wait(deadline, "the S3 server", || {
            Ok(readiness::http_status(addresses.object_store(), "/")
                .ok()
                .map(drop))
        })
    }

    /// The testbed `name`, which was brought up before.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let state = StateDirectory::of(name)?;
        let record = Record::read(&state)?.with_context(|| {
            format!("there is no testbed {name}; `cargo xtask testbed up --name {name}` makes it")
        })?;
        let commands = Commands::new(state.path());
        Ok(Self {
            state,
            record,
            commands,
        })
    }

    /// Remove all of the testbed `name` from the machine; nothing to do is success.
    pub(crate) fn down(name: &str) -> Result<()> {
        requirements::check_permission()?;
        let state = StateDirectory::of(name)?;
        let commands = Commands::new(state.path());
        let _lock = lock::existing_directory(state.path())?;
        sweep(&state, &commands)
    }

    /// Destroy a site: every process killed, its disks gone, its network silent.
    ///
    /// The administrator's kubeconfig stays, as it does with a person whose data centre burned down.
    pub(crate) fn kill(&self, site: Site) -> Result<()> {
        requirements::check_permission()?;
        let _lock = lock::existing_directory(self.state.path())?.context("the testbed is gone")?;
        let place = Place::Site(site);
        let directory = self.state.site(site);
        files::write(&directory.killed(), "")?;
        site::replace_units(&self.state, place, &[])?;
        leftovers::kill_processes(&self.state, Some(place))?;
        network::disconnect(&self.state, place, &self.commands)?;
        leftovers::sweep_site(&self.state, site, &self.commands)?;
        let kept = [directory.killed(), directory.kubeconfig(), directory.logs()];
        for path in leftovers::entries(directory.path())? {
            if !kept.contains(&path) {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    /// The administrator's kubeconfig of a site, for use from the host.
    pub(crate) fn kubeconfig(&self, site: Site) -> PathBuf {
        self.state.site(site).kubeconfig()
    }

    /// How to reach the S3 server.
    pub(crate) fn object_store(&self) -> Result<ObjectStore> {
        ObjectStore::read(&self.state)
    }

    /// The file that tells a site's CSI driver which faults to show.
    pub(crate) fn control_file(&self, site: Site) -> PathBuf {
        self.state.site(site).csi_control()
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &StateDirectory {
        &self.state
    }

    /// What was chosen for the testbed.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Whether a site was killed and not brought up again.
    pub(crate) fn is_killed(&self, site: Site) -> bool {
        self.state.site(site).killed().exists()
    }

    /// Load an image file into the containerd of both sites.
    pub(crate) fn load_image(&self, image: &Path) -> Result<()> {
        for site in Site::ALL.into_iter().filter(|&site| !self.is_killed(site)) {
            let directory = self.state.site(site);
            site::load_image(
                &directory.containerd_socket(),
                &directory.containerd_root(),
                image,
                &self.commands,
            )
            .with_context(|| format!("cannot load {} into {site}", image.display()))?;
        }
        Ok(())
    }

    /// Make the image that movers run from this binary, and load it into both sites.
    pub(crate) fn load_refloat(&self, binary: &Path) -> Result<()> {
        let cache = Cache::open()?;
        self.load_image(&images::refloat(&cache, binary)?)
    }

    /// A directory for a scenario's own files; it goes with the testbed.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.state.path().join("scratch")
    }

    /// A command in a site's network, with its kubeconfig and containerd in the environment.
    pub(crate) fn command_in(&self, site: Site, program: impl AsRef<OsStr>) -> Result<Command> {
        let namespace = self.state.network_namespace(site.name());
        if self.is_killed(site) || !mounts::is_mounted(&namespace)? {
            bail!("{site} is not up");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.commands.command_in(&namespace, program);
        command
            .env(
                "PATH",
                format!("{}:{path}:{SEARCH_PATH}", self.state.programs().display()),
            )
            .env("KUBECONFIG", self.kubeconfig(site))
            .env(
                "CONTAINERD_ADDRESS",
                self.state.site(site).containerd_socket(),
            )
            .env("CONTAINERD_NAMESPACE", "k8s.io")
            .env(MARKER_PLACE, site.name());
        Ok(command)
    }

    /// A kubectl that talks to a site from the host.
    pub(crate) fn kubectl(&self, site: Site) -> Command {
        let mut command = self.commands.command(self.state.programs().join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig(site));
        command
    }

    /// What of the testbed is not ready.
    pub(crate) fn missing(&self) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        if !supervisor::is_running(&self.state)? {
            missing.push("the supervisor does not run".to_owned());
        }
        for site in Site::ALL {
            if self.is_killed(site) {
                missing.push(format!("{site} was killed"));
                continue;
            }
            let found = readiness::of_site(self.record.addresses, site, |arguments| {
                let mut command = self.kubectl(site);
                command.arg("--request-timeout=5s").args(arguments);
                super::command::output(command)
            });
            missing.extend(found.into_iter().map(|what| format!("{site}: {what}")));
        }
        if !Need::Port(self.record.addresses.object_store()).is_met() {
            missing.push("the S3 server does not answer".to_owned());
        }
        Ok(missing)
    }
}

/// Manifests that every site has: storage class, snapshot class, CSI driver.
fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/manifests")
}

/// Remove all of a testbed, by marks and kernel tables; works with any part of it missing.
fn sweep(state: &StateDirectory, commands: &Commands) -> Result<()> {
    leftovers::kill_processes(state, None)?;
    for site in Site::ALL {
        leftovers::sweep_site(state, site, commands)?;
    }
    network::remove_host_link(state, commands)?;
    mounts::unmount_below(state.path())?;
    mounts::detach_loop_devices_below(state.path(), commands)?;
    super::control_groups::remove(&state.cgroup())?;
    files::remove(state.path())?;
    match state.path().parent() {
        Some(all) => leftovers::remove_if_empty(all),
        None => Ok(()),
    }
}
