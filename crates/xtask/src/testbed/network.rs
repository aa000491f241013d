//! Links and network namespaces of a testbed.
//!
//! A bridge in a namespace of its own (the hub) joins the host, both sites and S3. The host holds one link and no firewall
//! rule, so that neither its own rules nor those of other container runtimes meet our packets. Called by `up` and `kill`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};

use super::addresses::AddressPlan;
use super::command::{Commands, net_argument};
use super::mounts;
use super::place::{Place, StateDirectory};

/// The name of the hub's namespace.
pub(crate) const HUB: &str = "hub";

/// Make the hub and the host's link, unless they are there.
pub(crate) fn ensure_hub(
    state: &StateDirectory,
    addresses: AddressPlan,
    commands: &Commands,
) -> Result<()> {
    let hub = state.network_namespace(HUB);
    let link = state.host_link();
    let address = format!("{}/24", addresses.host());
    let present = commands
        .run("ip", &["-o", "-4", "address", "show", "dev", &link])
        .is_ok_and(|output| output.contains(&address));
    if present && mounts::is_mounted(&hub)? {
        return Ok(());
    }
    remove_host_link(state, commands)?;
    make_namespace(&hub, commands)?;
    commands.run_in(
        &hub,
        "ip",
        &["link", "add", "name", "bridge", "type", "bridge"],
    )?;
    commands.run_in(&hub, "ip", &["link", "set", "bridge", "up"])?;
    let hub_path = hub.to_string_lossy();
    commands.run(
        "ip",
        &[
            "link", "add", &link, "type", "veth", "peer", "name", "host", "netns", &hub_path,
        ],
    )?;
    commands.run_in(
        &hub,
        "ip",
        &["link", "set", "host", "master", "bridge", "up"],
    )?;
    commands.run("ip", &["address", "add", &address, "dev", &link])?;
    commands.run("ip", &["link", "set", &link, "up"])?;
    Ok(())
}

/// Whether a place has its namespace with its link in it.
pub(crate) fn is_connected(
    state: &StateDirectory,
    place: Place,
    address: Ipv4Addr,
    commands: &Commands,
) -> Result<bool> {
    let namespace = state.network_namespace(place.name());
    if !mounts::is_mounted(&namespace)? {
        return Ok(false);
    }
    let shown = commands.run_in(
        &namespace,
        "ip",
        &["-o", "-4", "address", "show", "dev", "eth0"],
    );
    Ok(shown.is_ok_and(|output| output.contains(&format!(" {address}/24 "))))
}

/// Make the namespace of a place and join it to the hub; what was there before goes.
pub(crate) fn connect(
    state: &StateDirectory,
    place: Place,
    addresses: AddressPlan,
    commands: &Commands,
) -> Result<()> {
    let hub = state.network_namespace(HUB);
    let namespace = state.network_namespace(place.name());
    let port = place.name();
    // The old pair may still be held by a process that is about to end.
    drop(commands.run_in(&hub, "ip", &["link", "delete", port]));
    make_namespace(&namespace, commands)?;
    let path = namespace.to_string_lossy();
    commands.run_in(
        &hub,
        "ip",
        &[
            "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &path,
        ],
    )?;
    commands.run_in(&hub, "ip", &["link", "set", port, "master", "bridge", "up"])?;
    let inside = format!(
        "ip link set lo up && ip link set eth0 address {} && ip address add {}/24 dev eth0 && ip link set eth0 up && ip route add default via {} \
         && echo 1 > /proc/sys/net/ipv4/ip_forward",
        hardware_address(addresses.of(place)),
        addresses.of(place),
        addresses.host()
    );
    commands.run_in(&namespace, "sh", &["-c", &inside])?;
    Ok(())
}

/// The same for the same address, so that neighbours find a place that was destroyed and made anew at once.
fn hardware_address(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:72:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Take a place off the network: its namespace goes with the last process in it.
pub(crate) fn disconnect(state: &StateDirectory, place: Place, commands: &Commands) -> Result<()> {
    let hub = state.network_namespace(HUB);
    if mounts::is_mounted(&hub)? {
        // There is no such port if the place was never connected.
        drop(commands.run_in(&hub, "ip", &["link", "delete", place.name()]));
    }
    mounts::unmount_below(&state.network_namespace(place.name()))
}

/// Remove the host's link, if it is there.
pub(crate) fn remove_host_link(state: &StateDirectory, commands: &Commands) -> Result<()> {
    let link = state.host_link();
    if Path::new("/sys/class/net").join(&link).exists() {
        commands.run("ip", &["link", "delete", &link])?;
    }
    Ok(())
}

fn make_namespace(file: &Path, commands: &Commands) -> Result<()> {
    mounts::unmount_below(file)?;
    let parent = file.parent().context("a namespace file has a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    fs::write(file, "").with_context(|| format!("cannot create {}", file.display()))?;
    commands.run("unshare", &[net_argument(file).as_str(), "true"])?;
    Ok(())
}
