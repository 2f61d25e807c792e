//! A shop's own menu, for its till.

use serde::{Deserialize, Serialize};
use types::{Amount, Currency};
use utoipa::ToSchema;

use crate::{
    model::DecimalText,
    money::{MoneyError, decimals_of, format_amount, parse_amount},
};

/// The most items a menu has: more than any till shows, and within the longest body of a request.
pub const MAX_MENU_ITEMS: usize = 200;
/// The longest name of an item, in bytes of UTF-8: a button holds less.
pub const MAX_ITEM_NAME_BYTES: usize = 80;
/// The longest name of a group, in bytes of UTF-8.
pub const MAX_GROUP_NAME_BYTES: usize = 40;

/// What a shop sells, in the order in which its till shows it. Each shop has its own, and the network
/// knows nothing of it: what is ordered is in the orders' details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Menu {
    /// At most 200 items.
    pub items: Vec<MenuItem>,
}

/// Something a shop sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MenuItem {
    /// What it is called; at most 80 bytes of UTF-8.
    #[schema(example = "Flat white")]
    pub name: String,
    /// What it costs, in the network's currency.
    pub price: DecimalText,
    /// Under which heading it stands, at most 40 bytes of UTF-8; empty for none.
    #[schema(example = "Coffee")]
    pub group: String,
}

/// What is wrong with a menu. The fault of whoever wrote it; a corrected one helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MenuError {
    /// Too long.
    #[error("the menu has {0} items; at most {MAX_MENU_ITEMS} are allowed")]
    TooManyItems(usize),
    /// A name that says nothing.
    #[error("item {0} of the menu has no name")]
    NoName(usize),
    /// A name or group that is no single line.
    #[error("the {what} of item {item} of the menu is more than one line of text")]
    NotALine {
        /// Name or group.
        what: &'static str,
        /// Which item, from 1.
        item: usize,
    },
    /// A name or group too long.
    #[error(
        "the {what} of item {item} of the menu is {length} bytes of UTF-8; at most {most} are allowed"
    )]
    TooLong {
        /// Name or group.
        what: &'static str,
        /// Which item, from 1.
        item: usize,
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// A price that is none.
    #[error("the price of item {item} of the menu: {error}")]
    Price {
        /// Which item, from 1.
        item: usize,
        /// What is wrong.
        error: MoneyError,
    },
}

impl Menu {
    /// Checks a menu and writes every price with all decimals of the currency.
    ///
    /// # Errors
    /// The first fault found.
    pub fn checked(mut self, currency: Currency) -> Result<Self, MenuError> {
        if self.items.len() > MAX_MENU_ITEMS {
            return Err(MenuError::TooManyItems(self.items.len()));
        }
        for (place, item) in self.items.iter_mut().enumerate() {
            item.check(place.saturating_add(1), currency)?;
        }
        Ok(self)
    }

    /// What a coffee shop sells, as a beginning.
    pub fn sample(currency: Currency) -> Self {
        let items = SAMPLE.iter().flat_map(|(group, items)| {
            items.iter().map(|(name, hundredths)| MenuItem {
                name: (*name).to_owned(),
                price: DecimalText::new(sample_price(*hundredths, currency)),
                group: (*group).to_owned(),
            })
        });
        Self {
            items: items.collect(),
        }
    }
}

impl MenuItem {
    fn check(&mut self, item: usize, currency: Currency) -> Result<(), MenuError> {
        let texts = [
            ("name", &self.name, MAX_ITEM_NAME_BYTES),
            ("group", &self.group, MAX_GROUP_NAME_BYTES),
        ];
        for (what, text, most) in texts {
            let length = text.len();
            if length > most {
                return Err(MenuError::TooLong {
                    what,
                    item,
                    length,
                    most,
                });
            }
            if text.chars().any(char::is_control) {
                return Err(MenuError::NotALine { what, item });
            }
        }
        if self.name.trim().is_empty() {
            return Err(MenuError::NoName(item));
        }
        let amount = parse_amount(self.price.as_str(), currency)
            .map_err(|error| MenuError::Price { item, error })?;
        self.price = DecimalText::new(format_amount(&amount));
        Ok(())
    }
}

/// A group's name, and its items with their prices in hundredths.
type SampleGroup = (&'static str, &'static [(&'static str, u64)]);

const SAMPLE: [SampleGroup; 4] = [
    (
        "Coffee",
        &[
            ("Espresso", 260),
            ("Espresso macchiato", 290),
            ("Americano", 310),
            ("Flat white", 450),
            ("Cappuccino", 380),
            ("Latte", 420),
            ("Filter coffee", 330),
        ],
    ),
    (
        "Tea & chocolate",
        &[
            ("Black tea", 320),
            ("Fresh mint tea", 360),
            ("Hot chocolate", 410),
        ],
    ),
    (
        "Cold",
        &[
            ("Iced latte", 470),
            ("Cold brew", 440),
            ("Lemonade", 390),
            ("Water", 240),
        ],
    ),
    (
        "Food",
        &[
            ("Croissant", 280),
            ("Cinnamon bun", 350),
            ("Banana bread", 370),
            ("Cheesecake", 460),
        ],
    ),
];

/// So many hundredths of a currency with cents; where there are none, a hundred times as much, because
/// one of its units is worth about a cent.
fn sample_price(hundredths: u64, currency: Currency) -> String {
    let finer = decimals_of(currency).unwrap_or_default().saturating_sub(2);
    let minor_units = hundredths.saturating_mul(10_u64.saturating_pow(finer));
    format_amount(&Amount {
        minor_units,
        currency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn item(name: &str, price: &str, group: &str) -> MenuItem {
        MenuItem {
            name: name.to_owned(),
            price: DecimalText::new(price),
            group: group.to_owned(),
        }
    }

    fn checked(items: Vec<MenuItem>) -> Result<Menu, String> {
        let menu = Menu { items };
        menu.checked(currency("EUR"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_sample_is_a_menu_in_every_currency() {
        for (code, espresso) in [("EUR", "2.60"), ("JPY", "260"), ("KWD", "2.600")] {
            let sample = Menu::sample(currency(code));
            assert_eq!(sample.items[0], item("Espresso", espresso, "Coffee"));
            assert_eq!(sample.clone().checked(currency(code)), Ok(sample));
        }
    }

    #[test]
    fn prices_get_all_their_decimals() {
        let given = vec![item("Café crème", "4.5", ""), item("Water", "0", "Cold")];
        let expected = vec![
            item("Café crème", "4.50", ""),
            item("Water", "0.00", "Cold"),
        ];
        assert_eq!(checked(given), Ok(Menu { items: expected }));
        assert_eq!(checked(Vec::new()), Ok(Menu { items: Vec::new() }));
    }

    #[test]
    fn each_fault_is_named_with_its_item() {
        let water = || item("Water", "1", "Cold");
        let name = "é".repeat(MAX_ITEM_NAME_BYTES / 2);
        let group = "g".repeat(MAX_GROUP_NAME_BYTES);
        assert!(checked(vec![item(&name, "1", &group); MAX_MENU_ITEMS]).is_ok());
        for (items, words) in [
            (
                vec![water(); MAX_MENU_ITEMS + 1],
                "the menu has 201 items; at most 200 are allowed",
            ),
            (
                vec![water(), item(" ", "1", "Cold")],
                "item 2 of the menu has no name",
            ),
            (
                vec![item(&format!("{name}x"), "1", "")],
                "the name of item 1 of the menu is 81 bytes of UTF-8; at most 80 are allowed",
            ),
            (
                vec![item("Water", "1", &format!("{group}g"))],
                "the group of item 1 of the menu is 41 bytes of UTF-8; at most 40 are allowed",
            ),
            (
                vec![item("Wa\nter", "1", "")],
                "the name of item 1 of the menu is more than one line of text",
            ),
            (
                vec![water(), item("Latte", "4.505", "")],
                "the price of item 2 of the menu: the amount 4.505 has 3 decimals; EUR has 2",
            ),
        ] {
            assert_eq!(checked(items), Err(words.to_owned()));
        }
    }
}
