package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A verdict says why a request is refused, or how its object is patched.
type verdict struct {
	refused string
	patch   []object
}

// reviewed serves an admission webhook.
func reviewed(judge func(request object) verdict) http.HandlerFunc {
	return func(response http.ResponseWriter, asked *http.Request) {
		var review object
		if err := json.NewDecoder(asked.Body).Decode(&review); err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		request, _ := at(review, "request").(object)
		said := judge(request)
		body := object{"uid": request["uid"], "allowed": said.refused == ""}
		if said.refused != "" {
			body["status"] = object{"message": said.refused}
		}
		if len(said.patch) > 0 {
			patch, err := json.Marshal(said.patch)
			if err != nil {
				http.Error(response, err.Error(), http.StatusInternalServerError)
				return
			}
			body["patchType"], body["patch"] = "JSONPatch", patch
		}
		answer(response, object{
			"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": body,
		})
	}
}

// fillDefaults gives a book a number of copies.
func fillDefaults(request object) verdict {
	if at(request, "object", "spec", "copies") != nil || at(request, "object", "spec") == nil {
		return verdict{}
	}
	return verdict{patch: []object{{"op": "add", "path": "/spec/copies", "value": 1}}}
}

// convert renames the one field in which the versions of a book differ.
func convert(response http.ResponseWriter, asked *http.Request) {
	var review object
	if err := json.NewDecoder(asked.Body).Decode(&review); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	request, _ := at(review, "request").(object)
	wanted := text(request, "desiredAPIVersion")
	before, after := "length", "pages"
	if strings.HasSuffix(wanted, "/v1alpha1") {
		before, after = after, before
	}
	objects, _ := request["objects"].([]any)
	for _, one := range objects {
		fields, _ := one.(object)
		fields["apiVersion"] = wanted
		if spec, is := fields["spec"].(object); is && spec[before] != nil {
			spec[after] = spec[before]
			delete(spec, before)
		}
	}
	answer(response, object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
		"response": object{
			"uid": request["uid"], "convertedObjects": objects, "result": object{"status": "Success"},
		},
	})
}

// serveCounts is an API of its own, behind an APIService: its one resource only takes questions.
func serveCounts(response http.ResponseWriter, asked *http.Request) {
	name := "counts." + group
	switch strings.Trim(asked.URL.Path, "/") {
	case "apis/" + name + "/v1":
		count := object{
			"name": "counts", "singularName": "count", "kind": "Count", "namespaced": true,
			"verbs": []string{"create"},
		}
		answer(response, object{
			"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": name + "/v1",
			"resources": []object{count},
		})
	case "apis/" + name:
		version := object{"groupVersion": name + "/v1", "version": "v1"}
		answer(response, object{
			"apiVersion": "v1", "kind": "APIGroup", "name": name,
			"versions": []object{version}, "preferredVersion": version,
		})
	default:
		http.Error(response, fmt.Sprintf("nothing at %s", asked.URL.Path), http.StatusNotFound)
	}
}
