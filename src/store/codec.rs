//! How the words of the model are written in Postgres: names, enums and
//! digests as `text`, ids as `uuid`, numbers as numbers.
//!
//! Custom Postgres types would cost an extra statement at first use, which an
//! unnamed statement does not survive.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
};
use uuid::Uuid;

use crate::model::{
    AgentId, AgentName, ArtifactId, ArtifactType, CostBasis, Digest, Epoch, FeedbackId,
    FeedbackKind, FeedbackNumber, FileName, Generation, GitState, IssueNumber, OnStale, Outcome,
    PoolName, ProfileName, ProjectId, ProjectName, Reaction, Resolution, Review, Role, RunId,
    RunnerKind, Status, StopReason, TickEnd, Usd, WaveId, WaveName,
};

/// Stored as what it converts to and from.
macro_rules! stored_as {
    (
        $as:ty as $read:ty, $($name:ty),+;
        |$value:ident| $encode:expr, |$stored:ident| $decode:expr
    ) => {$(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <$as as Type<Postgres>>::type_info()
            }

            fn compatible(ty: &PgTypeInfo) -> bool {
                <$as as Type<Postgres>>::compatible(ty)
            }
        }

        impl PgHasArrayType for $name {
            fn array_type_info() -> PgTypeInfo {
                <$as as PgHasArrayType>::array_type_info()
            }

            fn array_compatible(ty: &PgTypeInfo) -> bool {
                <$as as PgHasArrayType>::array_compatible(ty)
            }
        }

        impl Encode<'_, Postgres> for $name {
            fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let $value = self;
                <$as as Encode<Postgres>>::encode_by_ref(&$encode, buf)
            }
        }

        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                let $stored = <$read as Decode<'r, Postgres>>::decode(value)?;
                $decode
            }
        }
    )+};
}

stored_as!(
    String as &'r str, Status, FeedbackKind, Reaction, Resolution, Outcome, StopReason, ArtifactType, GitState, Review,
    OnStale, RunnerKind, CostBasis, Role, TickEnd, ProjectName, WaveName, AgentName, PoolName, ProfileName, FileName, Digest;
    |value| value.to_string(), |stored| Ok(stored.parse()?)
);
stored_as!(
    Uuid as Uuid, ProjectId, WaveId, AgentId, RunId, ArtifactId, FeedbackId;
    |value| value.as_uuid(), |stored| Ok(Self::from_uuid(stored))
);
stored_as!(i32 as i32, Epoch, Generation; |value| value.0, |stored| Ok(Self(stored)));
stored_as!(i64 as i64, FeedbackNumber, IssueNumber; |value| value.0, |stored| Ok(Self(stored)));
stored_as!(
    i64 as i64, Usd;
    |value| i64::try_from(value.micros()).unwrap_or(i64::MAX),
    |stored| Ok(Self::from_micros(u64::try_from(stored)?))
);
