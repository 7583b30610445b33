//! Ids as columns of type `uuid`.

use quartermaster_store_model::column::{CorruptColumn, id_from_bytes};
use sqlx::decode::Decode;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Postgres, Type};
use uuid::Uuid;

/// PostgreSQL's numbers for its types `uuid` and `uuid[]`; they are part of its protocol and do not change.
const UUID: Oid = Oid(2950);
const UUID_ARRAY: Oid = Oid(2951);

/// An id on its way to or from the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(pub(crate) Uuid);

impl Key {
    /// Below every id: where a list from the start begins.
    pub(crate) const LOWEST: Self = Self(Uuid::nil());
    /// Above every id: where a list from the end begins.
    pub(crate) const HIGHEST: Self = Self(Uuid::max());

    /// The id of its kind.
    pub(crate) fn id<Id: From<Uuid>>(self) -> Id {
        Id::from(self.0)
    }
}

impl Type<Postgres> for Key {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }
}

impl PgHasArrayType for Key {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID_ARRAY)
    }
}

impl Encode<'_, Postgres> for Key {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Key {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(id_from_bytes("of type uuid", value.as_bytes()?)?)),
            PgValueFormat::Text => {
                Uuid::parse_str(value.as_str()?).map(Self).map_err(|_| CorruptColumn("of type uuid").into())
            }
        }
    }
}
