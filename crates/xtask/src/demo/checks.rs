//! What must be true after the recovery, looked at from outside Refloat.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::writer::Order;
use crate::ground::Ground;
use crate::printer::say;
use crate::shop::{self, Shop};
use crate::testbed::{Site, output};

fn object(ground: &Ground, site: Site, arguments: &[&str]) -> Result<Value> {
    let mut command = ground.kubectl(site);
    command
        .args(["-n", "shop", "get", "-o", "json"])
        .args(arguments);
    serde_json::from_str(&output(command)?).context("kubectl printed no JSON")
}

fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str> {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no {pointer} in {object}"))
}

/// Asks the web application through its Service until it answers well.
pub(super) fn web_answers(ground: &Ground, site: Site, limit: Duration) -> Result<String> {
    let deadline = Instant::now() + limit;
    loop {
        match shop::web_answer(ground, site, "shop") {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                return Err(error)
                    .context("the web application does not answer through its Service");
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Every check; each says what it found.
pub(super) fn all(ground: &Ground, site: Site, orders: &[Order], cut: Timestamp) -> Result<()> {
    // First: the checks of the database are work, and a readiness probe that misses its time meanwhile makes the application available anew.
    order(ground, site)?;
    acknowledged(ground, site, orders, cut)?;
    invariant(ground, site)?;
    amcheck(ground, site)?;
    owners(ground, site)?;
    operator(ground, site)
}

/// Every order acknowledged before the cut is there, and the sequence has no hole.
fn acknowledged(ground: &Ground, site: Site, orders: &[Order], cut: Timestamp) -> Result<()> {
    let promised = orders
        .iter()
        .filter(|order| order.acknowledged < cut)
        .map(|order| order.sequence)
        .max()
        .unwrap_or(0);
    ensure!(
        promised > 0,
        "no order was acknowledged before the cut: nothing would be proven"
    );
    let found = shop::query(
        ground,
        site,
        "SELECT count(*) || ' ' || max(seq) FROM orders",
    )?;
    let (count, newest) = found.split_once(' ').context("no orders came back")?;
    let (count, newest): (u64, u64) = (count.parse()?, newest.parse()?);
    ensure!(
        count == newest,
        "the sequence has holes: {count} orders up to {newest}"
    );
    ensure!(
        newest >= promised,
        "order {promised} was acknowledged before the cut and is lost: the newest is {newest}"
    );
    let all = orders.last().map_or(0, |order| order.sequence);
    say(format_args!(
        "  every order acknowledged before the cut is there: {promised} promised, {newest} found, {all} written until the disaster"
    ));
    Ok(())
}

fn invariant(ground: &Ground, site: Site) -> Result<()> {
    let sums = shop::query(
        ground,
        site,
        "SELECT count(*) * 1000 = sum(balance), count(*), sum(balance) FROM accounts",
    )?;
    ensure!(sums.starts_with("t|"), "money appeared or vanished: {sums}");
    say(format_args!(
        "  the invariant holds: accounts and their sum are {}",
        &sums[2..]
    ));
    Ok(())
}

fn amcheck(ground: &Ground, site: Site) -> Result<()> {
    let mut command = ground.kubectl(site);
    command.args([
        "-n",
        "shop",
        "exec",
        "db-0",
        "--",
        "pg_amcheck",
        "--install-missing",
        "--heapallindexed",
        "--username",
        "shop",
        "--database",
        "shop",
    ]);
    let said = output(command)?;
    ensure!(said.trim().is_empty(), "pg_amcheck found: {said}");
    say("  pg_amcheck is clean");
    Ok(())
}

/// Objects belong to whom they belonged: what was applied with `kubectl apply --server-side` still is.
fn owners(ground: &Ground, site: Site) -> Result<()> {
    for what in [
        "deployment/web",
        "statefulset/db",
        "configmap/web-settings",
        "secret/db-credentials",
        "ingress/web",
    ] {
        let object = object(ground, site, &["--show-managed-fields", what])?;
        let managers = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let applied = managers.into_iter().flatten().any(|one| {
            let is = |key: &str, value: &str| one.get(key).and_then(Value::as_str) == Some(value);
            is("manager", "kubectl") && is("operation", "Apply") && one.get("subresource").is_none()
        });
        ensure!(
            applied,
            "{what} was applied by kubectl and is not any more: {managers:?}",
            managers = object.pointer("/metadata/managedFields")
        );
    }
    // What a GitOps tool does next: no conflict, and it takes nothing away that is not its own.
    let again = Shop::new(ground, site).applied_again()?;
    let items = again.pointer("/items").and_then(Value::as_array);
    let kept = items.into_iter().flatten().filter(|object| {
        object
            .pointer("/metadata/annotations")
            .is_some_and(|all| all.get("refloat.io/recovery").is_some())
    });
    let kept = kept.count();
    ensure!(
        kept >= 10,
        "applied again, only {kept} objects keep the annotations of their recovery"
    );
    say(
        "  objects belong to the field managers that owned them; applied again they meet no conflict and lose nothing",
    );
    Ok(())
}

/// The operator works again: it reconciles its resource at the new site.
fn operator(ground: &Ground, site: Site) -> Result<()> {
    let mut command = ground.kubectl(site);
    command.args([
        "-n",
        "shop",
        "patch",
        "campaigns.shop.example.com",
        "summer",
        "--type=merge",
        "-p",
        r#"{"spec":{"discount":40}}"#,
    ]);
    output(command)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let map = object(ground, site, &["configmap", "campaign-summer"])?;
        if text(&map, "/data/discount").is_ok_and(|discount| discount == "40") {
            say("  the operator reconciles its resource");
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the operator does not reconcile: {map}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

fn created(ground: &Ground, site: Site, arguments: &[&str]) -> Result<Timestamp> {
    let object = object(ground, site, arguments)?;
    Ok(text(&object, "/metadata/creationTimestamp")?.parse()?)
}

fn condition(object: &Value, wanted: &str) -> Result<Timestamp> {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .context("the object has no conditions")?;
    let found = conditions
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some(wanted))
        .with_context(|| format!("no condition {wanted}"))?;
    Ok(text(found, "/lastTransitionTime")?.parse()?)
}

/// Nothing was created before what it needs was ready, by the cluster's own timestamps (whole seconds).
fn order(ground: &Ground, site: Site) -> Result<()> {
    let database = condition(&object(ground, site, &["pod", "db-0"])?, "Ready")?;
    let definition = object(ground, site, &["crd", "campaigns.shop.example.com"])?;
    let established = condition(&definition, "Established")?;
    let operator = object(ground, site, &["deployment", "campaign-operator"])?;
    let available = condition(&operator, "Available")?;
    let claim = created(ground, site, &["persistentvolumeclaim", "data-db-0"])?;
    let pairs = [
        (
            "the web application",
            created(ground, site, &["deployment", "web"])?,
            "the database was ready",
            database,
        ),
        (
            "the database",
            created(ground, site, &["statefulset", "db"])?,
            "its volume was there",
            claim,
        ),
        (
            "the campaign",
            created(ground, site, &["campaigns.shop.example.com", "summer"])?,
            "its definition was established",
            established,
        ),
        (
            "the campaign",
            created(ground, site, &["campaigns.shop.example.com", "summer"])?,
            "its operator was available",
            available,
        ),
        (
            "the ingress",
            created(ground, site, &["ingress", "web"])?,
            "the web application was available",
            condition(&object(ground, site, &["deployment", "web"])?, "Available")?,
        ),
    ];
    for (what, when, gate, opened) in pairs {
        ensure!(
            when >= opened,
            "{what} was created at {when}, before {gate} at {opened}"
        );
    }
    say(format_args!(
        "  nothing was created before its gates were open ({} pairs by object timestamps)",
        pairs.len()
    ));
    Ok(())
}
