//! The flow language: what a business writes, read, checked and run.
//!
//! * [`model`] – a pack as the rest of the program sees it: names resolved, templates compiled;
//! * [`load`] – files to model, with every problem placed; [`check`] – what is legal but wrong;
//! * [`diagnostic`] – a problem with code, place, source line and a way out, in en and zh;
//! * [`contract`] – what a plugin promises to flows, kept in the pack;
//! * [`template`] – expressions and texts (minijinja, sandboxed);
//! * [`value`] – slot types: what a customer's words mean as a date, a number, a choice;
//! * [`step`] – the pure stepper: (state, event, now) → (state, effects, trace);
//! * [`testing`] – conversation tests and their coverage;
//! * [`schema`], [`graph`] – JSON Schema for editors, drawings of flows.

pub mod check;
pub mod contract;
pub mod diagnostic;
pub mod graph;
pub mod load;
pub mod model;
pub mod schema;
pub mod step;
pub mod template;
pub mod testing;
mod train;
pub mod value;
