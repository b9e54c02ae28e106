// SPDX-License-Identifier: Apache-2.0
/*
 * The program that the kernel runs for each packet that comes to a socket of an instance
 * (BPF_PROG_TYPE_CGROUP_SKB; the packet begins with its IP header). It lets every packet pass.
 *
 * Registers: 6 the packet, 7 its length behind the IP header, 8 the length of that header, 9 the
 * protocol; behind read_tcp 7 is the length of the data of TCP. The helpers take and spoil 1 to 5.
 */
#include "netns/watch_program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "netns/watch.h"
#include "runtime/base/mem.h"

/* Where things lie on its stack. */
#define IP    (-40)  /* 40 bytes: the IP header */
#define L4    (-64)  /* 20 bytes: ports, numbers, flags */
#define KEY   (-68)  /* the range */
#define EVENT (-104) /* struct net_event */
#define FLAG  (-112) /* the address of the range's flag */
#define SAID  (-120) /* so much a socket had said */
#define WHO   (-128) /* its cookie */

#define V4_SOURCE  12
#define V4_TARGET  16
#define V6_SOURCE  8
#define V6_TARGET  24
#define FIN_OR_RST 5
#define SYN        2
#define TCP_SEQ    4
#define TCP_OFFSET 12
#define TCP_FLAGS  13

_Static_assert(sizeof(struct net_event) == 32, "EVENT has room for one");
_Static_assert(NET_WATCH_RANGES == 4096, "the low 12 bits of an address");

enum label { V6, COMMON, NOTED, DATAGRAM, FRESH, DATA, ENDS, COUNTED, TELL, OUT, LABELS };

/* Jumps go forward: each is noted until its label is set. */
struct writer {
	struct watch_program *p;
	uint32_t jumps[LABELS][16], jump_count[LABELS];
};

static void put(struct writer *w, uint8_t code, uint8_t dst, uint8_t src, int off, uint32_t imm)
{
	must(w->p->count < WATCH_INSNS_MAX);
	w->p->insns[w->p->count++] = (struct bpf_insn){.code = code,
						       .dst_reg = dst,
						       .src_reg = src,
						       .off = (int16_t)off,
						       .imm = (int32_t)imm};
}

static void set_register(struct writer *w, uint8_t dst, uint8_t src)
{
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set_value(struct writer *w, uint8_t dst, uint32_t value)
{
	put(w, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

/* op: BPF_AND and the like, with a value. */
static void compute(struct writer *w, uint8_t op, uint8_t dst, uint32_t value)
{
	put(w, BPF_ALU64 | op | BPF_K, dst, 0, 0, value);
}

static void to_host(struct writer *w, uint8_t dst, uint32_t bits)
{
	put(w, BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, bits);
}

static void load(struct writer *w, uint8_t size, uint8_t dst, uint8_t from, int off)
{
	put(w, BPF_LDX | BPF_MEM | size, dst, from, off, 0);
}

static void store(struct writer *w, uint8_t size, int off, uint8_t src)
{
	put(w, BPF_STX | BPF_MEM | size, BPF_REG_10, src, off, 0);
}

static void store_value(struct writer *w, uint8_t size, int off, uint32_t value)
{
	put(w, BPF_ST | BPF_MEM | size, BPF_REG_10, 0, off, value);
}

/* Jumps to a label if the register compares so with the value. */
static void jump_if(struct writer *w, uint8_t op, uint8_t dst, uint32_t value, enum label to)
{
	must(w->jump_count[to] < ARRAY_LEN(w->jumps[to]));
	w->jumps[to][w->jump_count[to]++] = w->p->count;
	put(w, op | BPF_K, dst, 0, 0, value);
}

static void jump(struct writer *w, enum label to)
{
	jump_if(w, BPF_JMP | BPF_JA, 0, 0, to);
}

static void here(struct writer *w, enum label l)
{
	for (uint32_t i = 0; i < w->jump_count[l]; i++)
		w->p->insns[w->jumps[l][i]].off = (int16_t)(w->p->count - w->jumps[l][i] - 1);
}

static void load_map(struct writer *w, uint8_t dst, int fd)
{
	/* BPF_LD and BPF_IMM are 0, both. */
	put(w, BPF_LD | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, (uint32_t)fd);
	put(w, 0, 0, 0, 0, 0);
}

static void call(struct writer *w, uint32_t helper)
{
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* Copies bytes of the packet to the stack, from the offset in register 2. A packet that is shorter
 * is nobody's. */
static void load_packet(struct writer *w, int to, uint32_t size)
{
	set_register(w, BPF_REG_1, BPF_REG_6);
	set_register(w, BPF_REG_3, BPF_REG_10);
	compute(w, BPF_ADD, BPF_REG_3, (uint32_t)to);
	set_value(w, BPF_REG_4, size);
	call(w, BPF_FUNC_skb_load_bytes);
	jump_if(w, BPF_JMP | BPF_JNE, BPF_REG_0, 0, OUT);
}

static void read_v4(struct writer *w, const uint8_t pool[4])
{
	uint32_t network;

	memcpy(&network, pool, sizeof(network));
	load(w, BPF_W, BPF_REG_3, BPF_REG_10, IP + V4_TARGET);
	to_host(w, BPF_REG_3, 32);
	set_register(w, BPF_REG_2, BPF_REG_3);
	compute(w, BPF_RSH, BPF_REG_3, 12);
	jump_if(w, BPF_JMP | BPF_JNE, BPF_REG_3, ntohl(network) >> 12, OUT);
	compute(w, BPF_AND, BPF_REG_2, NET_WATCH_RANGES - 1);
	store(w, BPF_W, KEY, BPF_REG_2);
	load(w, BPF_B, BPF_REG_9, BPF_REG_10, IP + 9);
	compute(w, BPF_AND, BPF_REG_1, 0xf);
	compute(w, BPF_LSH, BPF_REG_1, 2);
	set_register(w, BPF_REG_8, BPF_REG_1);
	store_value(w, BPF_DW, EVENT + 16, 0);
	store_value(w, BPF_W, EVENT + 24, htonl(0xffff));
	load(w, BPF_W, BPF_REG_1, BPF_REG_10, IP + V4_SOURCE);
	store(w, BPF_W, EVENT + 28, BPF_REG_1);
	jump(w, COMMON);
}

static void read_v6(struct writer *w, const uint8_t pool[16])
{
	uint32_t network[2];

	memcpy(network, pool, sizeof(network));
	set_value(w, BPF_REG_2, 0);
	load_packet(w, IP, 40);
	for (int i = 0; i < 2; i++) {
		load(w, BPF_W, BPF_REG_1, BPF_REG_10, IP + V6_TARGET + 4 * i);
		jump_if(w, BPF_JMP32 | BPF_JNE, BPF_REG_1, network[i], OUT);
	}
	load(w, BPF_H, BPF_REG_2, BPF_REG_10, IP + V6_TARGET + 14);
	to_host(w, BPF_REG_2, 16);
	compute(w, BPF_AND, BPF_REG_2, NET_WATCH_RANGES - 1);
	store(w, BPF_W, KEY, BPF_REG_2);
	load(w, BPF_B, BPF_REG_9, BPF_REG_10, IP + 6);
	set_value(w, BPF_REG_8, 40);
	for (int i = 0; i < 2; i++) {
		load(w, BPF_DW, BPF_REG_1, BPF_REG_10, IP + V6_SOURCE + 8 * i);
		store(w, BPF_DW, EVENT + 16 + 8 * i, BPF_REG_1);
	}
}

/* The ports, numbers and flags of TCP; the length of the data stays in register 7. */
static void read_tcp(struct writer *w)
{
	set_register(w, BPF_REG_2, BPF_REG_8);
	load_packet(w, L4, 20);
	load(w, BPF_B, BPF_REG_1, BPF_REG_10, L4 + TCP_OFFSET);
	compute(w, BPF_RSH, BPF_REG_1, 4);
	compute(w, BPF_LSH, BPF_REG_1, 2);
	put(w, BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_7, BPF_REG_1, 0, 0);
}

/* New data for a socket: notes how much the socket had said by then (net_watch_said). */
static void note_said(struct writer *w, int said_fd)
{
	jump_if(w, BPF_JMP | BPF_JSLE, BPF_REG_7, 0, NOTED);
	load(w, BPF_DW, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, sk));
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_1, 0, NOTED);
	call(w, BPF_FUNC_tcp_sock);
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_0, 0, NOTED);
	load(w, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct bpf_tcp_sock, rcv_nxt));
	load(w, BPF_W, BPF_REG_2, BPF_REG_10, L4 + TCP_SEQ);
	to_host(w, BPF_REG_2, 32);
	put(w, BPF_ALU | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_7, 0, 0);
	put(w, BPF_ALU | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0);
	jump_if(w, BPF_JMP32 | BPF_JSLE, BPF_REG_2, 0, NOTED);
	load(w, BPF_DW, BPF_REG_1, BPF_REG_0, offsetof(struct bpf_tcp_sock, bytes_acked));
	load(w, BPF_W, BPF_REG_2, BPF_REG_0, offsetof(struct bpf_tcp_sock, snd_nxt));
	load(w, BPF_W, BPF_REG_3, BPF_REG_0, offsetof(struct bpf_tcp_sock, snd_una));
	put(w, BPF_ALU | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	put(w, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	store(w, BPF_DW, SAID, BPF_REG_1);
	set_register(w, BPF_REG_1, BPF_REG_6);
	call(w, BPF_FUNC_get_socket_cookie);
	store(w, BPF_DW, WHO, BPF_REG_0);
	load_map(w, BPF_REG_1, said_fd);
	set_register(w, BPF_REG_2, BPF_REG_10);
	compute(w, BPF_ADD, BPF_REG_2, (uint32_t)WHO);
	set_register(w, BPF_REG_3, BPF_REG_10);
	compute(w, BPF_ADD, BPF_REG_3, (uint32_t)SAID);
	set_value(w, BPF_REG_4, BPF_ANY);
	call(w, BPF_FUNC_map_update_elem);
}

/* Whether the range is watched; the head of the event. */
static void read_flag(struct writer *w, int flags_fd)
{
	load(w, BPF_W, BPF_REG_2, BPF_REG_10, KEY);
	store(w, BPF_W, EVENT, BPF_REG_2);
	load_map(w, BPF_REG_1, flags_fd);
	set_register(w, BPF_REG_2, BPF_REG_10);
	compute(w, BPF_ADD, BPF_REG_2, (uint32_t)KEY);
	call(w, BPF_FUNC_map_lookup_elem);
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_0, 0, OUT);
	load(w, BPF_DW, BPF_REG_1, BPF_REG_0, 0);
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_1, 0, OUT);
	store(w, BPF_DW, FLAG, BPF_REG_0);
	store_value(w, BPF_W, EVENT + 4, 0);
	store(w, BPF_B, EVENT + 5, BPF_REG_9);
	store_value(w, BPF_DW, EVENT + 8, 0);
}

static void copy_ports(struct writer *w)
{
	load(w, BPF_W, BPF_REG_1, BPF_REG_10, L4);
	store(w, BPF_W, EVENT + 8, BPF_REG_1);
}

/* Bytes that the socket has already: a retransmission, or the one byte of some stacks' keep-alive
 * probes. */
static void leave_out_old(struct writer *w)
{
	load(w, BPF_DW, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, sk));
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_1, 0, DATA);
	call(w, BPF_FUNC_tcp_sock);
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_0, 0, DATA);
	load(w, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct bpf_tcp_sock, rcv_nxt));
	load(w, BPF_W, BPF_REG_2, BPF_REG_10, L4 + TCP_SEQ);
	to_host(w, BPF_REG_2, 32);
	put(w, BPF_ALU | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_7, 0, 0);
	put(w, BPF_ALU | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0);
	jump_if(w, BPF_JMP32 | BPF_JSLE, BPF_REG_2, 0, OUT);
}

/* The end of a connection is at the byte that its socket waits for, or it is none: one that came
 * before, or a packet that the socket will not take. */
static void leave_out_false_ends(struct writer *w)
{
	load(w, BPF_DW, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, sk));
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_1, 0, OUT);
	call(w, BPF_FUNC_tcp_sock);
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_0, 0, OUT);
	load(w, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct bpf_tcp_sock, rcv_nxt));
	jump_if(w, BPF_JMP | BPF_JEQ, BPF_REG_1, 0, COUNTED); /* it is not open yet */
	load(w, BPF_W, BPF_REG_2, BPF_REG_10, L4 + TCP_SEQ);
	to_host(w, BPF_REG_2, 32);
	put(w, BPF_ALU | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0);
	jump_if(w, BPF_JMP32 | BPF_JNE, BPF_REG_2, 0, OUT);
}

/* So many ends are told for each watch; one more counts as data, and ends the watch. */
static void count_end(struct writer *w)
{
	here(w, COUNTED);
	load(w, BPF_DW, BPF_REG_1, BPF_REG_10, FLAG);
	load(w, BPF_DW, BPF_REG_2, BPF_REG_1, 0);
	jump_if(w, BPF_JMP | BPF_JLE, BPF_REG_2, 1, DATA);
	compute(w, BPF_SUB, BPF_REG_2, 1);
	put(w, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_2, 0, 0);
	store_value(w, BPF_B, EVENT + 4, NET_ARRIVAL_END);
	jump(w, TELL);
}

static void judge_tcp(struct writer *w)
{
	copy_ports(w);
	load(w, BPF_B, BPF_REG_2, BPF_REG_10, L4 + TCP_FLAGS);
	jump_if(w, BPF_JMP | BPF_JSGT, BPF_REG_7, 0, FRESH);
	set_register(w, BPF_REG_1, BPF_REG_2);
	compute(w, BPF_AND, BPF_REG_1, FIN_OR_RST);
	jump_if(w, BPF_JMP | BPF_JNE, BPF_REG_1, 0, ENDS);
	compute(w, BPF_AND, BPF_REG_2, SYN);
	jump_if(w, BPF_JMP | BPF_JNE, BPF_REG_2, 0, DATA);
	jump(w, OUT);
	here(w, ENDS);
	leave_out_false_ends(w);
	count_end(w);
	here(w, FRESH);
	leave_out_old(w);
	jump(w, DATA);
}

void watch_program_write(struct watch_program *p, const struct watch_maps *maps,
			 const uint8_t pool_v4[4], const uint8_t pool_v6[16])
{
	struct writer w = {.p = p};

	p->count = 0;
	set_register(&w, BPF_REG_6, BPF_REG_1);
	set_value(&w, BPF_REG_2, 0);
	load_packet(&w, IP, 20);
	load(&w, BPF_B, BPF_REG_1, BPF_REG_10, IP);
	set_register(&w, BPF_REG_2, BPF_REG_1);
	compute(&w, BPF_RSH, BPF_REG_2, 4);
	jump_if(&w, BPF_JMP | BPF_JEQ, BPF_REG_2, 6, V6);
	jump_if(&w, BPF_JMP | BPF_JNE, BPF_REG_2, 4, OUT);
	read_v4(&w, pool_v4);
	here(&w, V6);
	read_v6(&w, pool_v6);
	here(&w, COMMON);
	load(&w, BPF_W, BPF_REG_7, BPF_REG_6, offsetof(struct __sk_buff, len));
	put(&w, BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_7, BPF_REG_8, 0, 0);
	jump_if(&w, BPF_JMP | BPF_JNE, BPF_REG_9, IPPROTO_TCP, NOTED);
	read_tcp(&w);
	note_said(&w, maps->said_fd);
	here(&w, NOTED);
	read_flag(&w, maps->flags_fd);
	jump_if(&w, BPF_JMP | BPF_JEQ, BPF_REG_9, IPPROTO_UDP, DATAGRAM);
	jump_if(&w, BPF_JMP | BPF_JNE, BPF_REG_9, IPPROTO_TCP, DATA);
	judge_tcp(&w);
	here(&w, DATAGRAM);
	set_register(&w, BPF_REG_2, BPF_REG_8);
	load_packet(&w, L4, 4);
	copy_ports(&w);
	here(&w, DATA);
	store_value(&w, BPF_B, EVENT + 4, NET_ARRIVAL_DATA);
	load(&w, BPF_DW, BPF_REG_1, BPF_REG_10, FLAG);
	put(&w, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_1, 0, 0, 0);
	here(&w, TELL);
	load_map(&w, BPF_REG_1, maps->ring_fd);
	set_register(&w, BPF_REG_2, BPF_REG_10);
	compute(&w, BPF_ADD, BPF_REG_2, (uint32_t)EVENT);
	set_value(&w, BPF_REG_3, sizeof(struct net_event));
	set_value(&w, BPF_REG_4, 0);
	call(&w, BPF_FUNC_ringbuf_output);
	here(&w, OUT);
	set_value(&w, BPF_REG_0, 1);
	put(&w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}
