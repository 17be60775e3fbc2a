//! Which kinds are simulated.

use crate::sandbox::dingtalk::MockDingTalk;
use crate::sandbox::email::MockEmail;
use crate::sandbox::keeta::MockKeeta;
use crate::sandbox::mock::Mock;
use crate::sandbox::webhook::MockWebhook;
use crate::sandbox::wecom::MockWeCom;

/// A new kind is its file, the line of its module in `mod.rs`, and its place here.
pub const MOCKS: &[&dyn Mock] = &[&MockDingTalk, &MockWeCom, &MockWebhook, &MockKeeta, &MockEmail];
