//! The opening `join`: with a token, as a guest, or back into a session.

use std::sync::Arc;

use trefoil_native::{Attachment, Refusal, ResumeToken};
use trefoil_room::Refusal as RoomRefusal;
use trefoil_wire::Join;

use crate::{
    halls::HallCell,
    shared::{At, Shared, entrance},
};

/// Where a connection is once it has joined.
pub(super) struct Inside {
    pub(super) cell: Arc<HallCell>,
    pub(super) who: Attachment,
}

/// Takes a seat, or goes on with a session.
pub(super) fn join(shared: &Shared, host: &str, join: Join) -> Result<Inside, Refusal> {
    if shared.is_draining() {
        return Err(Refusal::ServerStopping);
    }
    let (at, now) = (At { shared, host }, shared.now());
    let Join {
        version: _,
        token,
        namespace,
        room,
        name,
        resume,
    } = join;
    if let Some(resume) = resume {
        let token = ResumeToken::parse(&resume.token).ok_or(Refusal::Room(RoomRefusal::SessionLost))?;
        let (cell, who) = shared
            .halls
            .resume(token, |hall| hall.resume(token, resume.received, &at, now))?;
        shared.metrics.resumes.inc();
        return Ok(Inside { cell, who: who? });
    }
    let claims = shared.claims(token.as_deref(), namespace, room, name)?;
    let (cell, who) = shared.halls.enter(&claims.ns, &claims.room, None, now, |hall| {
        hall.join(entrance(&claims), &at, now)
    })?;
    shared.metrics.joins.inc();
    Ok(Inside { cell, who: who? })
}
