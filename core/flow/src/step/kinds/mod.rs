//! The step kinds that need no file beside the rest of what they do: saying, choosing a way,
//! calling, acting. (`collect` is in `question`, `form` in `form`, `faq`, `handoff`, `wait` and
//! `remind` in the files of those names.)

mod act;
mod branch;
mod call;
mod menu;
mod say;
