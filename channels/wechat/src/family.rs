//! What tells the four channels of the family apart.

use std::{collections::BTreeMap, time::Duration};

use tandem_domain::{
    capabilities::{
        Brief, Capabilities, Choices, Limit, MediaBy, MediaLimit, Outside, TextLimit, Unit, Window,
    },
    message::MediaKind,
};

/// How long a platform waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often it asks, if nothing comes.
pub const ASKS: u32 = 3;
/// What is left of the platform's patience for the way back.
pub const MARGIN: Duration = Duration::from_millis(500);

/// Customers' messages may be answered for 48 hours, with five messages.
const WINDOW: Window = Window {
    secs: 48 * 3600,
    quota: Some(5),
    outside: Outside::Reject,
    brief: None,
};

/// One channel of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 公众号, 服务号.
    OfficialAccount,
    /// 小程序客服.
    MiniProgram,
    /// 企业微信自建应用.
    WeCom,
    /// 微信客服.
    CustomerService,
}

impl Family {
    pub const ALL: [Self; 4] = [
        Self::OfficialAccount,
        Self::MiniProgram,
        Self::WeCom,
        Self::CustomerService,
    ];

    /// The channel's name in the configuration and in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OfficialAccount => "wechat",
            Self::MiniProgram => "wechat-miniprogram",
            Self::WeCom => "wecom",
            Self::CustomerService => "wxkf",
        }
    }

    /// Where its API is.
    #[must_use]
    pub fn api(self) -> &'static str {
        if self.is_corporate() {
            "https://qyapi.weixin.qq.com"
        } else {
            "https://api.weixin.qq.com"
        }
    }

    /// The account is a company's: its id is a corp id, and even the echo is sealed.
    #[must_use]
    pub fn is_corporate(self) -> bool {
        matches!(self, Self::WeCom | Self::CustomerService)
    }

    /// Answers may be written into the platform's own request. It asks three times with the same
    /// message, so that there is time until the last of them.
    #[must_use]
    pub fn in_band(self) -> Option<Duration> {
        (self == Self::OfficialAccount).then_some(PATIENCE.saturating_mul(ASKS))
    }

    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        let bytes = |max| Limit {
            max,
            unit: Unit::Byte,
        };
        let chars = |max| Limit {
            max,
            unit: Unit::Char,
        };
        let menu = Choices {
            max: 10,
            text: Some(bytes(1000)),
            label: bytes(128),
            value: bytes(64),
            url: false,
        };
        let plain = Capabilities {
            text: TextLimit {
                max: 2048,
                unit: Unit::Byte,
                ..Capabilities::default().text
            },
            ..Capabilities::default()
        };
        match self {
            Self::OfficialAccount => Capabilities {
                list: Some(menu),
                media: uploads(&[
                    (MediaKind::Image, 10),
                    (MediaKind::Audio, 2),
                    (MediaKind::Video, 10),
                ]),
                typing: true,
                window: brief(60, 3),
                ..plain
            },
            Self::MiniProgram => Capabilities {
                media: uploads(&[(MediaKind::Image, 10)]),
                typing: true,
                window: brief(60, 2),
                ..plain
            },
            Self::WeCom => Capabilities {
                buttons: Some(Choices {
                    max: 6,
                    text: Some(chars(160)),
                    label: chars(16),
                    value: bytes(256),
                    url: true,
                }),
                media: with_files(),
                proactive: true,
                ..plain
            },
            Self::CustomerService => Capabilities {
                list: Some(Choices { url: true, ..menu }),
                media: with_files(),
                // Only failures are told.
                receipts: true,
                sessions: true,
                window: brief(20, 1),
                idempotency_secs: Some(3600),
                ..plain
            },
        }
    }
}

/// The window after a message, and so many messages in so many seconds after an event that is
/// none: following, scanning, the account's menu, entering the chat.
fn brief(secs: u64, quota: u32) -> Option<Window> {
    Some(Window {
        brief: Some(Brief { secs, quota }),
        ..WINDOW
    })
}

fn with_files() -> BTreeMap<MediaKind, MediaLimit> {
    uploads(&[
        (MediaKind::Image, 10),
        (MediaKind::Audio, 2),
        (MediaKind::Video, 10),
        (MediaKind::File, 20),
    ])
}

/// With the largest sizes in megabytes.
fn uploads(kinds: &[(MediaKind, u64)]) -> BTreeMap<MediaKind, MediaLimit> {
    let limit = |mb: u64| MediaLimit {
        by: MediaBy::Upload,
        max: Some(mb << 20),
    };
    kinds.iter().map(|(kind, mb)| (*kind, limit(*mb))).collect()
}
