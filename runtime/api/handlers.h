/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the route table. Each answers its request once, now or later. */
#ifndef EBB_API_HANDLERS_H
#define EBB_API_HANDLERS_H

struct request;

/* node.c */
void get_root(struct request *rq);
void get_healthz(struct request *rq);
void get_readyz(struct request *rq);
void get_openapi(struct request *rq);
void get_node(struct request *rq);
/* tls.c */
void get_tls_ask(struct request *rq);
/* drain.c */
void post_drain(struct request *rq);
void post_undrain(struct request *rq);
/* upgrade.c */
void post_upgrade(struct request *rq);
/* operations.c */
void get_operations(struct request *rq);
void get_operation(struct request *rq);
/* metrics.c */
void get_metrics(struct request *rq);
/* service_routes.c */
void get_services(struct request *rq);
void put_service(struct request *rq);
void get_service(struct request *rq);
void delete_service(struct request *rq);
void get_revisions(struct request *rq);
void post_rollback(struct request *rq);
void post_redeploy(struct request *rq);
void post_start(struct request *rq);
void get_traffic(struct request *rq);
void put_traffic(struct request *rq);
/* schedule_routes.c */
void get_schedules(struct request *rq);
void get_runs(struct request *rq);
void get_workflows(struct request *rq);
void get_workflow_events(struct request *rq);
void post_workflow_cancel(struct request *rq);
void post_workflow_retry(struct request *rq);
void get_queues(struct request *rq);
void get_queue_messages(struct request *rq);
void post_queue_retry(struct request *rq);
void post_queue_purge(struct request *rq);
void post_schedule_run(struct request *rq);
/* secret_routes.c */
void get_secrets(struct request *rq);
void get_secret(struct request *rq);
void put_secret(struct request *rq);
void delete_secret(struct request *rq);
/* site_routes.c */
void get_deployments(struct request *rq);
void get_deployments_of(struct request *rq);
void post_deployment(struct request *rq);
void post_promotion(struct request *rq);
void delete_deployments(struct request *rq);
void get_sites(struct request *rq);
void get_site(struct request *rq);
void put_site(struct request *rq);
void delete_site(struct request *rq);
/* image_routes.c */
void get_images(struct request *rq);
void post_image(struct request *rq);
void get_archive(struct request *rq);
void get_image(struct request *rq);
void delete_image(struct request *rq);
void post_images_gc(struct request *rq);
/* instances.c */
void get_instances(struct request *rq);
void get_instance(struct request *rq);
void get_instance_why(struct request *rq);
void get_connections(struct request *rq);
void post_instance_freeze(struct request *rq);
void post_instance_thaw(struct request *rq);
void post_instance_stop(struct request *rq);
/* exec.c */
void post_instance_exec(struct request *rq);
/* log_routes.c */
void get_instance_logs(struct request *rq);
void get_service_logs(struct request *rq);
/* watch.c */
void get_watch(struct request *rq);
void get_events(struct request *rq);
/* usage.c, ledger_verify.c */
void get_usage(struct request *rq);
void post_ledger_verify(struct request *rq);

#endif
