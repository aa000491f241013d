package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

const (
	leaseSeconds = 5
	microTime    = "2006-01-02T15:04:05.000000Z07:00"
)

// lead takes the Lease, or keeps it; true while this pod holds it. Named as client-go's leader election names itself.
func (c *cluster) lead(me string) bool {
	leases := fmt.Sprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", c.namespace)
	spec := object{
		"holderIdentity": me, "leaseDurationSeconds": leaseSeconds,
		"renewTime": time.Now().UTC().Format(microTime),
	}
	code, lease, err := c.call(http.MethodGet, leases+"/librarian", nil)
	if err == nil && code == http.StatusNotFound {
		code, lease, err = c.call(http.MethodPost, leases, object{
			"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
			"metadata": object{"name": "librarian"}, "spec": spec,
		})
		return err == nil && code == http.StatusCreated
	}
	if err != nil || code != http.StatusOK {
		log.Printf("cannot read the Lease: %d %v %s", code, err, text(lease, "message"))
		return false
	}
	renewed, _ := time.Parse(time.RFC3339, text(lease, "spec", "renewTime"))
	if text(lease, "spec", "holderIdentity") != me && time.Since(renewed) < leaseSeconds*time.Second {
		return false
	}
	// Whoever read the same version and was faster has it.
	code, _, err = c.call(http.MethodPatch, leases+"/librarian", object{
		"metadata": object{"resourceVersion": text(lease, "metadata", "resourceVersion")}, "spec": spec,
	})
	return err == nil && code == http.StatusOK
}

// identity is the pod's name and something of this process's own.
func identity() string {
	pod, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	return fmt.Sprintf("%s_%x", pod, time.Now().UnixNano())
}
