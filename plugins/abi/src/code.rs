//! What a call returns. Any other number means that the plugin is broken.

/// It went well; the body is the result as JSON.
pub const OK: i32 = 0;
/// It failed in a way the plugin foresaw; the body is `{"code", "message", "retry_after_ms"?}`.
pub const ERROR: i32 = 1;
/// The called side panicked and caught it. A body is optional, here and below.
pub const PANICKED: i32 = -1;
/// There is no such method.
pub const UNKNOWN_METHOD: i32 = -2;
/// The parameters are not what the method takes.
pub const BAD_INPUT: i32 = -3;
/// Who is asked is not there any more.
pub const GONE: i32 = -4;
/// The parameters or the result are larger than the called side takes.
pub const TOO_LARGE: i32 = -5;
/// Too much is under way; the same call may pass later.
pub const BUSY: i32 = -6;
