//! Keys and certificates of one site.
//!
//! All are made together and put in place at once, so that a site has either none or a set that fits. Called when a site comes up.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use super::addresses::{AddressPlan, InnerRanges};
use super::files;
use super::place::{Place, Site};

const LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// A user as the API server sees it.
struct Client {
    file: &'static str,
    user: String,
    group: Option<&'static str>,
}

fn clients(site: Site) -> [Client; 5] {
    let client = |file, user: &str, group| Client {
        file,
        user: user.to_owned(),
        group,
    };
    [
        client("administrator", "refloat-testbed", Some("system:masters")),
        client(
            "kube-controller-manager",
            "system:kube-controller-manager",
            None,
        ),
        client("kube-scheduler", "system:kube-scheduler", None),
        client("kube-proxy", "system:kube-proxy", None),
        client(
            "kubelet",
            &format!("system:node:{site}"),
            Some("system:nodes"),
        ),
    ]
}

/// Make the keys of a site, unless they are there.
pub(crate) fn ensure(directory: &Path, site: Site, addresses: AddressPlan) -> Result<()> {
    if directory.exists() {
        return Ok(());
    }
    let partial = directory.with_extension("partial");
    files::remove(&partial)?;
    make(&partial, site, addresses).context("cannot make the site's certificates")?;
    fs::rename(&partial, directory)
        .with_context(|| format!("cannot create {}", directory.display()))
}

fn make(directory: &Path, site: Site, addresses: AddressPlan) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut parameters = parameters(&format!("refloat-testbed-{site}"), None)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let certificate = parameters.self_signed(&key)?;
    save(directory, "ca", &certificate.pem(), &key)?;
    let authority = Issuer::new(parameters, key);

    for client in clients(site) {
        issue(
            directory,
            client.file,
            &authority,
            &client_parameters(&client)?,
        )?;
    }
    let node = IpAddr::V4(addresses.of(Place::Site(site)));
    let inner = InnerRanges::of(site);
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ];
    let mut api_server = server_parameters("kube-apiserver", &names)?;
    for address in [
        node,
        IpAddr::V4(inner.api_service()),
        IpAddr::from([127, 0, 0, 1]),
    ] {
        api_server
            .subject_alt_names
            .push(SanType::IpAddress(address));
    }
    issue(directory, "api-server", &authority, &api_server)?;
    let mut node_server = server_parameters(&format!("system:node:{site}"), &[site.name()])?;
    node_server.subject_alt_names.push(SanType::IpAddress(node));
    issue(directory, "node-server", &authority, &node_server)?;

    let service_accounts = KeyPair::generate()?;
    files::write(
        &directory.join("service-accounts.key"),
        service_accounts.serialize_pem(),
    )?;
    files::write(
        &directory.join("service-accounts.pub"),
        service_accounts.public_key_pem(),
    )
}

fn client_parameters(client: &Client) -> Result<CertificateParams> {
    let mut parameters = parameters(&client.user, client.group)?;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

fn server_parameters(name: &str, names: &[&str]) -> Result<CertificateParams> {
    let mut parameters = parameters(name, None)?;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        parameters
            .subject_alt_names
            .push(SanType::DnsName((*name).try_into()?));
    }
    Ok(parameters)
}

fn parameters(name: &str, organisation: Option<&str>) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::<String>::new())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, organisation);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let moment = |since: Duration| -> Result<OffsetDateTime> {
        Ok(OffsetDateTime::from_unix_timestamp(i64::try_from(
            since.as_secs(),
        )?)?)
    };
    // An hour back, for a clock that is set right after the testbed came up.
    parameters.not_before = moment(now.saturating_sub(Duration::from_hours(1)))?;
    parameters.not_after = moment(now + LIFETIME)?;
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn issue(
    directory: &Path,
    file: &str,
    authority: &Issuer<'_, KeyPair>,
    parameters: &CertificateParams,
) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, authority)?;
    save(directory, file, &certificate.pem(), &key)
}

fn save(directory: &Path, file: &str, certificate: &str, key: &KeyPair) -> Result<()> {
    files::write(&directory.join(format!("{file}.crt")), certificate)?;
    files::write(&directory.join(format!("{file}.key")), key.serialize_pem())
}
