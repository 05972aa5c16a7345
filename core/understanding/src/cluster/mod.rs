//! Questions that nothing answered, put together where they ask the same: what a business should
//! write an answer for next.
//!
//! [`Clusters::add`] takes a question as it comes: it joins a *group* of questions that say the
//! same in almost the same words, or opens one, and the group stands in a *cluster*. The time
//! that takes depends on the question's length alone. [`Clusters::refine`] looks at all groups at
//! once and draws the clusters anew, keeping each one's id where most of it stays together. It is
//! worth its time when [`Clusters::is_due`] says so, off the path of a message.
//!
//! Nothing depends on chance or on a clock: the same questions in the same order give the same
//! clusters, before and after [`Clusters::store`]. Memory is bounded by [`MAX_GROUPS`]: of a
//! cluster of many groups the nearest are joined, and of small ones the oldest are forgotten.
//!
//! * [`terms`] – what a question is compared by; [`rarity`] – how much each of it tells;
//! * [`state`] – the groups and clusters; [`refine`] – drawing them anew; [`near`] – finding them;
//! * [`label`] – what a cluster is called; [`stored`] – keeping it; [`quality`] – measuring it.

pub mod label;
mod near;
pub mod quality;
pub mod rarity;
mod redraw;
pub mod refine;
mod state;
pub mod stored;
pub mod terms;

pub use label::Summary;
pub use redraw::{Changes, Closed, Moved};
pub use state::{ClusterId, Clusters, GroupId, MAX_GROUPS, Placed, Question};
pub use stored::{Broken, Stored};
