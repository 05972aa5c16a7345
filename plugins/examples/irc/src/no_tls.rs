//! Without TLS no connection is secured. Settings that ask for it are refused before they come here.

use tandem_plugin_sdk::Error;
use tokio::net::TcpStream;

use crate::{session::Wire, settings::Settings};

fn none() -> Error {
    Error::new("config", "this plugin was built without TLS")
}

pub(crate) fn check(_: &str) -> Result<(), Error> {
    Err(none())
}

pub(crate) async fn secure(_: &Settings, _: &str, _: TcpStream) -> Result<Box<dyn Wire>, Error> {
    Err(none())
}
