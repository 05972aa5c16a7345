//! Whom a connection trusts: the certificates of the system, or those of the account's `ca` alone.

use std::{fmt::Display, sync::Arc};

use tandem_plugin_sdk::Error;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{session::Wire, settings::Settings};

/// Whether certificates can be read of it.
///
/// # Errors
/// Why not.
pub(crate) fn check(ca: &str) -> Result<(), Error> {
    roots(Some(ca)).map(drop)
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let wrong = |why: &dyn Display| {
        Error::new(
            "config",
            format_args!("`ca` holds no certificates in PEM: {why}"),
        )
    };
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate = certificate.map_err(|why| wrong(&why))?;
        roots.add(certificate).map_err(|why| wrong(&why))?;
    }
    match roots.is_empty() {
        true => Err(wrong(&"none begins in it")),
        false => Ok(roots),
    }
}

pub(crate) async fn secure(
    settings: &Settings,
    host: &str,
    stream: TcpStream,
) -> Result<Box<dyn Wire>, Error> {
    let config = ClientConfig::builder()
        .with_root_certificates(roots(settings.ca.as_deref())?)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::new("config", "`server` is no name a certificate can have"))?;
    let connector = TlsConnector::from(Arc::new(config));
    let secured = connector.connect(name, stream).await;
    let secured = secured.map_err(|why| Error::new("lost", format_args!("TLS: {why}")))?;
    Ok(Box::new(secured))
}
