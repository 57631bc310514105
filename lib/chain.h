/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The XDP programs of a device: what runs there, ours and others', and putting ours in and taking
 * them out. Chained programs go through libxdp's dispatcher; the fused program is attached by
 * itself, on a device that runs nothing else.
 */
#ifndef TURNCTL_CHAIN_H
#define TURNCTL_CHAIN_H

#include <stdbool.h>

#include "abi.h"
#include "error.h"
#include "objects.h"

#define TURNCTL_CHAIN_MOST 16 /* libxdp's dispatcher has 10 slots */
#define TURNCTL_CHAIN_STAGES 4
#define TURNCTL_DISPATCHER "xdp_dispatcher" /* the name of libxdp's */

struct turnctl_chain_program {
	char name[64];
	__u32 id;
	unsigned int priority; /* 0 when it does not run in a dispatcher */
	__u32 owner; /* of turnctl's: the id of its instance (owner.h); 0: somebody else's */
	bool ours;   /* of the instance asked for */
	bool passes; /* what it passes goes on to the next: XDP_PASS is a chain call action of it */
};

struct turnctl_chain {
	enum turn_mode mode; /* 0: nothing attached */
	bool dispatcher;     /* programs run in libxdp's dispatcher, in the order listed */
	__u32 hollow;        /* the id of a dispatcher that has lost all its programs; count is 0 */
	int count;
	struct turnctl_chain_program program[TURNCTL_CHAIN_MOST];
};

/* Reads what runs on @ifindex. @id: turnctl_instance_id(), 0 = none is ours. */
int turnctl_chain_read(int ifindex, __u32 id, struct turnctl_chain *chain,
		       struct turnctl_error *err);

/* How `ip link set dev DEV ... off` calls the programs of this mode. */
const char *turnctl_chain_ip_word(enum turn_mode mode);

struct turnctl_chain_plan {
	int ifindex;
	const char *device; /* for messages */
	enum turn_mode mode;
	enum turn_role role;
	bool fused;
	unsigned int prio;   /* of the first stage */
	const char *instance; /* its name */
	const char *maps;    /* directory of its pins */
	struct turn_self self;
	__u32 id;            /* turnctl_instance_id() */
};

/*
 * Would the plan fit what runs on the device now, besides programs of turnctl's that attach takes
 * off or replaces: the instance's own, what is left of one of that name, and strays (remains.h)?
 * The errors are those of attach.
 */
int turnctl_chain_check(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

/* Does the kernel accept every program of the plan? Nothing is attached. */
int turnctl_chain_verify(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

/*
 * Takes the instance's programs off to make way for those of the plan, unless they can be replaced
 * in one step: then turnctl_chain_attach() does that. The server relays everything meanwhile.
 */
int turnctl_chain_make_way(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

/* Would turnctl_chain_attach() replace the one program that runs on the device in one step? */
bool turnctl_chain_in_place(const struct turnctl_chain_plan *plan,
			    const struct turnctl_chain *chain);

/*
 * Attaches the stages that the role needs, all or none, and looks afterwards whether they are
 * where they should be; turnctl_chain_make_way() comes before. -EBUSY: a program outside a
 * dispatcher, another mode, or no slot is in the way; -EOPNOTSUPP: the kernel cannot chain
 * programs, or the driver has no native XDP.
 */
int turnctl_chain_attach(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

/*
 * Of a dispatcher's programs the first that is not the instance's, is before one that is, and does
 * not hand packets on, so that those behind it see none; NULL if there is none.
 */
const struct turnctl_chain_program *turnctl_chain_blinds(const struct turnctl_chain *chain);

/*
 * Takes out the instance's programs, and nobody else's, and a hollow dispatcher, in which nobody's
 * are left. No error if there is nothing.
 */
int turnctl_chain_detach(int ifindex, const char *device, __u32 id, struct turnctl_error *err);

/* A program that a plan would attach. */
struct turnctl_chain_stage {
	enum turnctl_program program;
	unsigned int priority; /* 0: not in a dispatcher */
};

/* Does @program run after @stage would? libxdp sorts by priority, then by name. */
bool turnctl_chain_after(const struct turnctl_chain_program *program,
			 const struct turnctl_chain_stage *stage);

/* What a plan would attach, in order; returns how many. */
int turnctl_chain_stages(const struct turnctl_chain_plan *plan,
			 struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES]);

/* How many programs a device of this role runs. */
int turnctl_chain_count(enum turn_role role, bool fused);

#endif
