/* SPDX-License-Identifier: MIT */
/*
 * What the hostile guests share: connecting, sending one raw request and insisting on its
 * answer. A program plays one guest, in the domain that `simxl run` put it in; it ends
 * with 0 if the backend gave every defined answer.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdio.h>
#include <stdlib.h>

#include "blkfront.h"
#include "check.h"

/* No answer within ANSWER_MS. */
#define NO_ANSWER (-1000)
#define ANSWER_MS 5000

/**
 * hostile_connect() - a connected device 51712, or the end of the process
 * @config: as for blkfront_new(); devid and protocol are filled in if they are 0
 */
struct blkfront *hostile_connect(struct blkfront_config config);

/**
 * hostile_page() - a page granted to the backend
 * @queue: whose grant handle is used
 * @ret_page: the page
 *
 * Return: its grant reference. It is given back when the handle is closed.
 */
uint32_t hostile_page(struct blkfront_queue *queue, void **ret_page);

/**
 * hostile_ask() - send one request, wait for its response
 * @queue: a queue without requests in flight
 * @request: native layout; its id is expected back, with the operation @wire_op
 * @wire_op: the operation in the response
 *
 * Ends the process if the response is for something else, or its padding is dirty.
 *
 * Return: the status, or NO_ANSWER.
 */
int hostile_ask(struct blkfront_queue *queue, const union blkfront_request *request,
		uint8_t wire_op);

/**
 * hostile_send_reads() - send reads of a page each, and an event; wait for nothing
 * @queue: a queue with room for them
 * @ref: of the page they are all read into
 * @count: how many; their ids are 1 to @count
 */
void hostile_send_reads(struct blkfront_queue *queue, uint32_t ref, unsigned int count);

/**
 * hostile_backend_state() - the state of the device's backend
 */
unsigned int hostile_backend_state(struct blkfront *front);

/**
 * hostile_wait_state() - until the backend is in a state, or the end of the process
 * @front: a frontend
 * @state: at least this one
 */
void hostile_wait_state(struct blkfront *front, unsigned int state);

#endif
