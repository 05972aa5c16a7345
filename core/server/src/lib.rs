//! The program: configuration, wiring, commands.
//!
//! * [`cli`] – the commands, one file each;
//! * [`config`] – settings; [`app`] – the house put together from them; `accounts` – channels opened,
//!   and opened anew with other settings; `listen` – connections;
//! * [`embedding`] – the model an operator may add;
//! * [`plugins`] – what joins the server without being part of it;
//! * [`reload`] – packs swapped as they are saved;
//! * [`shop`] – the demo shop; [`lang`], [`logging`], [`metrics`] – small things all share.

mod accounts;
pub mod app;
pub mod channels;
pub mod cli;
pub mod config;
pub mod embedding;
pub mod lang;
mod listen;
pub mod logging;
pub mod metrics;
pub mod plugins;
pub mod reload;
pub mod shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(test)]
mod tests {
    /// Whether there is Python. Where there is none the test says so and returns; with
    /// `TANDEM_REQUIRE_ALL` set it fails instead.
    pub fn python() -> bool {
        let found = std::process::Command::new("python3").arg("-V").output();
        if found.is_err() {
            let required = std::env::var_os("TANDEM_REQUIRE_ALL").is_some();
            assert!(!required, "there is no `python3` here");
            eprintln!("SKIPPED: there is no `python3` here");
        }
        found.is_ok()
    }
}
