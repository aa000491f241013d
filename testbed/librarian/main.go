// The librarian: an operator as many are, for scenarios only.
//
// It serves what an API server asks of operators (admission, conversion, an API of its own), elects a leader, and
// reconciles books and tiers. It makes one tier by itself before it is ready, and refuses any other of the same priority, as Antrea does.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	group       = "library.example.com"
	certificate = "/tls/tls.crt"
	key         = "/tls/tls.key"
)

// object is anything with fields.
type object = map[string]any

// at looks along a path of keys; nil where it ends early.
func at(value any, path ...string) any {
	for _, step := range path {
		fields, is := value.(object)
		if !is {
			return nil
		}
		value = fields[step]
	}
	return value
}

func text(value any, path ...string) string {
	found, _ := at(value, path...).(string)
	return found
}

func answer(response http.ResponseWriter, body any) {
	response.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(response).Encode(body); err != nil {
		log.Printf("cannot answer: %v", err)
	}
}

func main() {
	var ready atomic.Bool
	cluster, err := newCluster(os.Getenv("NAMESPACE"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/healthz", func(response http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(response, "the tiers are not made yet", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/validate", reviewed(cluster.validate))
	http.HandleFunc("/default", reviewed(fillDefaults))
	http.HandleFunc("/convert", convert)
	http.HandleFunc("/apis/", serveCounts)
	me := identity()
	go func() {
		for {
			if err := cluster.makeTier(); err != nil {
				log.Print(err)
			} else {
				ready.Store(true)
				if cluster.lead(me) {
					cluster.reconcile()
				}
			}
			time.Sleep(500 * time.Millisecond)
		}
	}()
	log.Fatal(http.ListenAndServeTLS(":8443", certificate, key, nil))
}
