//! The harness of the end-to-end tests: boots the real server on port 0 and speaks to it as a
//! customer, an agent or a browser would. Only platforms are faked.
