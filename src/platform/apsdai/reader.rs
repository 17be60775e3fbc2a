//! How the values of one APSDAI body are read: by the source's settings and the body's currency, with a note of what cannot be.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::money::Money;
use crate::platform::WebhookRequest;
use crate::platform::apsdai::body::Body;
use crate::platform::apsdai::fields::{FieldName, Fields};
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::apsdai::values;
use crate::platform::field::{JsonField, UnreadableFields};

/// How one body is read: the source's settings and the body's currency.
pub struct BodyReader<'a> {
    apsdai: &'a Apsdai,
    currency: String,
    /// The body does not say it.
    pub assumes_currency: bool,
    /// What of an order could not be read.
    pub unread: UnreadableFields,
}

impl<'a> BodyReader<'a> {
    pub fn new(apsdai: &'a Apsdai, body: &Body, request: &WebhookRequest<'_>) -> Self {
        let default = request.currency.to_owned();
        let mut reading =
            Self { apsdai, currency: default, assumes_currency: true, unread: UnreadableFields::default() };
        match body.find(&apsdai.fields, FieldName::Currency, values::currency) {
            Some(currency) => (reading.currency, reading.assumes_currency) = (currency, false),
            None if body.has(&apsdai.fields, FieldName::Currency) => reading.unread.note("/total/currency"),
            None => {}
        }
        reading
    }

    pub fn fields(&self) -> &Fields {
        &self.apsdai.fields
    }

    /// Of times written as text.
    pub fn zone(&self) -> &TimeZone {
        &self.apsdai.timezone
    }

    pub fn money(&self, field: &JsonField) -> Option<Money> {
        values::money(field, self.apsdai.amount_unit, &self.currency)
    }

    /// A detail of an order that is shown at `pointer`. The likeliest name under which something stands decides; what cannot be
    /// read there is noted, and no less likely name is asked: its value may be another one's.
    pub fn read<T>(
        &self,
        body: &Body,
        detail: FieldName,
        pointer: &str,
        read: impl Fn(&JsonField) -> Option<T>,
    ) -> Option<T> {
        let value = |field: &JsonField| field.says_something().then(|| self.unread.read(field, pointer, &read));
        body.find(self.fields(), detail, value).flatten()
    }

    /// A moment that the body says, in whatever form.
    pub fn instant(&self, body: &Body, detail: FieldName) -> Option<Timestamp> {
        body.find(self.fields(), detail, |field| values::instant(field, self.zone()))
    }

    /// As [`BodyReader::instant`], of an order; zero stands for no moment.
    pub fn moment(&self, body: &Body, detail: FieldName, pointer: &str) -> Option<Timestamp> {
        let moment = |field: &JsonField| match field.integer() {
            Some(0) => Some(None),
            _ => values::instant(field, self.zone()).map(Some),
        };
        self.read(body, detail, pointer, moment).flatten()
    }
}
