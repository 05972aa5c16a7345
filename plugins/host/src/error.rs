//! How a call of a plugin fails.

use std::time::Duration;

use tandem_plugin_sdk::Error;
use thiserror::Error as ThisError;

use crate::Said;

/// Why a call gave no result. Texts are for people who run the server; what a customer reads is the
/// flow's business.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum PluginError {
    /// The plugin says so itself.
    #[error("{0}")]
    Failed(Error),
    #[error("`{0}` is no method of this plugin")]
    UnknownMethod(String),
    /// The parameters do not fit the method's schema, or the plugin does not take them.
    #[error("the parameters are not what the method takes: {0}")]
    BadInput(Said),
    #[error("{what} is larger than {most} bytes")]
    TooLarge { what: &'static str, most: usize },
    /// Everything it may do at once is under way.
    #[error("the plugin has as many calls as it takes; try again later")]
    Busy,
    #[error("the plugin panicked: {0}")]
    Panicked(String),
    /// It gave something back that is not what the ABI or its own schema says.
    #[error("the plugin's answer cannot be used: {0}")]
    Broken(Said),
    /// Its time was over. `begun` says whether the plugin had seen the call.
    #[error("no answer within {} ms{}", .after.as_millis(), if *.begun { "" } else { ": the call was not begun" })]
    Timeout { after: Duration, begun: bool },
    /// It kept failing, or was switched off by hand.
    #[error("the plugin is disabled: {0}")]
    Disabled(Said),
    /// It is being unloaded, or is not loaded; the call was not begun.
    #[error("the plugin is not running")]
    Stopped,
    /// Its process ended. `begun` says whether it had seen the call.
    #[error("the plugin's process ended{}: {why}", if *.begun { " during the call" } else { "" })]
    Died { why: Said, begun: bool },
}

impl PluginError {
    /// What a flow's `on_error` chooses by: the plugin's own code, or one of those every call to the
    /// outside may give.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Failed(error) => &error.code,
            Self::UnknownMethod(_) | Self::BadInput(_) => "refused",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout { begun: true, .. } => "timeout",
            Self::Panicked(_) | Self::Broken(_) => "bad_response",
            Self::Busy
            | Self::Timeout { .. }
            | Self::Disabled(_)
            | Self::Stopped
            | Self::Died { .. } => "unavailable",
        }
    }

    /// Whether what was asked may have been done all the same: a message may have left, a parcel may
    /// be booked. Only `false` may be repeated blindly.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Panicked(_) | Self::Broken(_) => true,
            Self::TooLarge { what, .. } => *what == ANSWER,
            Self::Timeout { begun, .. } | Self::Died { begun, .. } => *begun,
            Self::Failed(_)
            | Self::UnknownMethod(_)
            | Self::BadInput(_)
            | Self::Busy
            | Self::Disabled(_)
            | Self::Stopped => false,
        }
    }

    /// Whether the plugin did something no plugin should: it counts against it.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.may_have_happened()
    }

    /// A word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::UnknownMethod(_) => "unknown_method",
            Self::BadInput(_) => "bad_input",
            Self::TooLarge { .. } => "too_large",
            Self::Busy => "busy",
            Self::Panicked(_) => "panicked",
            Self::Broken(_) => "broken",
            Self::Timeout { begun: true, .. } => "overrun",
            Self::Timeout { .. } => "not_begun",
            Self::Disabled(_) => "disabled",
            Self::Stopped => "stopped",
            Self::Died { .. } => "died",
        }
    }

    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        Said::new(self.to_string(), self.zh())
    }

    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Failed(error) => error.to_string(),
            Self::UnknownMethod(method) => format!("此插件没有方法 `{method}`"),
            Self::BadInput(why) => format!("参数不符合该方法的要求：{}", why.zh),
            Self::TooLarge { what, most } => {
                let what = if *what == ANSWER { "回复" } else { "请求" };
                format!("{what}超过 {most} 字节")
            }
            Self::Busy => "插件同时处理的调用已达上限，请稍后再试".to_owned(),
            Self::Panicked(why) => format!("插件发生 panic：{why}"),
            Self::Broken(why) => format!("插件的回复无法使用：{}", why.zh),
            Self::Timeout { after, begun } => {
                let not_begun = if *begun { "" } else { "：调用尚未开始" };
                format!("{} 毫秒内没有回复{not_begun}", after.as_millis())
            }
            Self::Disabled(why) => format!("插件已停用：{}", why.zh),
            Self::Stopped => "插件没有运行".to_owned(),
            Self::Died { why, begun } => {
                let during = if *begun { "在调用期间" } else { "" };
                format!("插件进程{during}已结束：{}", why.zh)
            }
        }
    }
}

pub(crate) const ANSWER: &str = "the answer";
pub(crate) const REQUEST: &str = "the request";
